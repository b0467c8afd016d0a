package bench

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// clockTick is how many units of /proc's processor times are a second.
const clockTick = 100

// processCPU returns the processor time, in seconds, that a process and the children it has waited
// for have used; false if that is not known here.
func processCPU(pid int) (seconds float64, ok bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // from the third on: the state
	if len(fields) < 15 {
		return 0, false
	}
	for _, field := range fields[11:15] {
		v, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return 0, false
		}
		seconds += v
	}
	return seconds / clockTick, true
}

// processMemory returns the resident memory of a process, and the most that it has had since
// forgetPeak, in bytes; 0 if that is not known.
func processMemory(pid int) (now, peak int64) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return kilobytes(b, "VmRSS:"), kilobytes(b, "VmHWM:")
}

// kilobytes returns the number of bytes that a line of a file of /proc says, 0 if it does not.
func kilobytes(file []byte, name string) int64 {
	for line := range strings.Lines(string(file)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}

// forgetPeak resets the peak of a process's memory, if this process may do so.
func forgetPeak(pid int) { _ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0) }

// machineTime is the processor time of the whole machine since its start, in seconds.
type machineTime struct{ busy, idle, steal float64 }

// readMachine returns the machine's processor times; false if they are not known here.
func readMachine() (m machineTime, ok bool) {
	b, err := os.ReadFile("/proc/stat")
	line, _, _ := bytes.Cut(b, []byte("\n"))
	fields := strings.Fields(string(line))
	if err != nil || len(fields) < 9 {
		return m, false
	}
	for i, field := range fields[1:9] {
		v, _ := strconv.ParseFloat(field, 64)
		switch v /= clockTick; i {
		case 3, 4: // idle, and waiting for a disk
			m.idle += v
		case 7:
			m.steal += v
		default:
			m.busy += v
		}
	}
	return m, true
}

// meter measures the use of processors and memory from startMeter to stop.
type meter struct {
	pid     int
	began   time.Time
	server  float64
	client  float64
	machine machineTime
}

// startMeter begins. pid is that of the server, 0 if it is not known.
func startMeter(pid int) *meter {
	m := &meter{pid: pid, began: time.Now(), client: ownCPU()}
	m.machine, _ = readMachine()
	if pid > 0 {
		forgetPeak(pid)
		m.server, _ = processCPU(pid)
	}
	return m
}

// stop ends the time.
func (m *meter) stop() Usage {
	seconds := time.Since(m.began).Seconds()
	u := Usage{Seconds: seconds, ClientCores: (ownCPU() - m.client) / seconds}
	if m.pid > 0 {
		if server, ok := processCPU(m.pid); ok {
			u.ServerKnown, u.ServerCores = true, (server-m.server)/seconds
			u.RSS, u.PeakRSS = processMemory(m.pid)
		}
	}
	if now, ok := readMachine(); ok {
		u.MachineKnown = true
		u.OtherCores = max(0, (now.busy-m.machine.busy)/seconds-u.ServerCores-u.ClientCores)
		u.IdleCores, u.StealCores = (now.idle-m.machine.idle)/seconds, (now.steal-m.machine.steal)/seconds
	}
	return u
}

// Machine is where a benchmark ran, as far as it is known.
type Machine struct {
	System      string `json:"system"` // as Go names it: linux/amd64
	Processor   string `json:"processor,omitempty"`
	Cores       int    `json:"cores"`
	MemoryBytes int64  `json:"memory_bytes,omitempty"`
}

// thisMachine describes the machine of this process.
func thisMachine() Machine {
	m := Machine{System: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU()}
	memory, _ := os.ReadFile("/proc/meminfo")
	m.MemoryBytes = kilobytes(memory, "MemTotal:")
	processor, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(processor)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.Processor = strings.TrimSpace(value)
			break
		}
	}
	return m
}
