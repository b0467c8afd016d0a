package bench

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// chart is a drawing of lines, which the template of the report puts into SVG.
type chart struct {
	Title  string
	Lines  []*line
	XTicks []tick
	YTicks []tick
	XName  string
}

// line is one line of a chart.
type line struct {
	Name   string
	Colour int    // its number
	Path   string // of SVG
	Dots   []dot
	xs     []float64
	ys     []float64
	tips   []string
}

// dot is a point of a line that says what it is.
type dot struct {
	X, Y float64
	Tip  string
}

// tick is a mark of an axis.
type tick struct {
	At   float64
	Name string
}

// The drawing: its size, and the part of it that lines are in.
const (
	chartWidth, chartHeight = 420.0, 270.0
	plotLeft, plotRight     = 58.0, chartWidth - 14
	plotTop, plotBottom     = 12.0, chartHeight - 44
)

// add adds a point to a line.
func (l *line) add(x, y float64, tip string) {
	l.xs, l.ys, l.tips = append(l.xs, x), append(l.ys, y), append(l.tips, tip)
}

// axis is how values become places.
type axis struct {
	low, high float64
	log       bool
	from, to  float64 // places of low and high
}

// at returns the place of a value.
func (a axis) at(v float64) float64 {
	low, high := a.low, a.high
	if a.log {
		v, low, high = math.Log(v), math.Log(low), math.Log(high)
	}
	return math.Round((a.from+(v-low)/(high-low)*(a.to-a.from))*10) / 10
}

// mostDots is how many points a line has at most for each to be shown as a dot.
const mostDots = 120

// draw gives the lines their paths. Where a value is not above 0 on a logarithmic axis, nothing was
// measured, and the line has a gap.
func (c *chart) draw(x, y axis) {
	for _, l := range c.Lines {
		var path strings.Builder
		command := "M"
		for i := range l.xs {
			if y.log && l.ys[i] <= 0 {
				command = "M"
				continue
			}
			d := dot{x.at(l.xs[i]), y.at(l.ys[i]), l.tips[i]}
			fmt.Fprintf(&path, "%s%v %v", command, d.X, d.Y)
			command = "L"
			l.Dots = append(l.Dots, d)
		}
		l.Path = path.String()
		if len(l.Dots) > mostDots {
			l.Dots = nil
		}
	}
}

// largest returns the largest of the lines' values; of picks them.
func (c *chart) largest(of func(*line) []float64) float64 {
	most := 0.0
	for _, l := range c.Lines {
		for _, v := range of(l) {
			most = max(most, v)
		}
	}
	return most
}

// latencyAxis returns a logarithmic axis for the lines' latencies in microseconds, and its ticks.
func (c *chart) latencyAxis() (axis, []tick) {
	least, most := math.Inf(1), 0.0
	for _, l := range c.Lines {
		for _, v := range l.ys {
			if v > 0 {
				least, most = min(least, v), max(most, v)
			}
		}
	}
	if most == 0 {
		least, most = 100, 1000
	}
	a := axis{low: step125(least, math.Floor), high: step125(most, math.Ceil), log: true, from: plotBottom, to: plotTop}
	if a.low == a.high {
		a.high *= 2
	}
	var ticks []tick
	few := a.high/a.low > 1000 // then powers of ten only
	for v := a.low; v <= a.high*1.001; v = step125(v*1.01, math.Ceil) {
		if !few || math.Abs(math.Log10(v)-math.Round(math.Log10(v))) < 1e-6 {
			ticks = append(ticks, tick{a.at(v), latency(v)})
		}
	}
	return a, ticks
}

// latency writes a round number of microseconds.
func latency(us float64) string {
	switch {
	case us >= 1e6:
		return strconv.FormatFloat(us/1e6, 'g', 4, 64) + " s"
	case us >= 1e3:
		return strconv.FormatFloat(us/1e3, 'g', 4, 64) + " ms"
	}
	return strconv.FormatFloat(us, 'g', 4, 64) + " µs"
}

// step125 rounds to a number of the series 1, 2, 5, 10, 20 and so on.
func step125(v float64, round func(float64) float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	steps := []float64{1, 2, 5, 10}
	up := round(0.5) > 0
	best := 1.0
	for _, s := range steps {
		if up && s*power >= v*(1-1e-9) {
			return s * power
		}
		if !up && s*power <= v*(1+1e-9) {
			best = s
		}
	}
	return best * power
}

// plainAxis returns an axis from 0 to the value or a little more, and its ticks.
func plainAxis(most, from, to float64, name func(float64) string) (axis, []tick) {
	if most <= 0 {
		most = 1
	}
	step := step125(most/5, math.Ceil)
	a := axis{high: math.Ceil(most/step-1e-9) * step, from: from, to: to}
	var ticks []tick
	for i := 0.0; i*step <= a.high*1.001; i++ {
		ticks = append(ticks, tick{a.at(i * step), name(i * step)})
	}
	return a, ticks
}

// latencyCurve finishes a chart of latencies by percentile. The axis of percentiles is logarithmic
// in what is left above them.
func (c *chart) latencyCurve() *chart {
	most := max(1, c.largest(func(l *line) []float64 { return l.xs }))
	x := axis{high: most, from: plotLeft, to: plotRight}
	for _, percentile := range []string{"0", "50", "90", "99", "99.9", "99.99", "99.999", "99.9999"} {
		v, _ := strconv.ParseFloat(percentile, 64)
		if left := nines(v / 100); left <= most {
			c.XTicks = append(c.XTicks, tick{x.at(left), percentile})
		}
	}
	y, ticks := c.latencyAxis()
	c.XName, c.YTicks = "percentile", ticks
	c.draw(x, y)
	return c
}

// nines is the place of a quantile on the axis: 1 for 0.9, 2 for 0.99 and so on.
func nines(q float64) float64 { return -math.Log10(1 - q) }

// overTime finishes a chart of a series; latency says that its values are latencies, and not
// operations a second.
func (c *chart) overTime(latency bool) *chart {
	plain := func(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
	x, ticks := plainAxis(c.largest(func(l *line) []float64 { return l.xs }), plotLeft, plotRight, plain)
	c.XName, c.XTicks = "seconds", ticks
	var y axis
	if latency {
		y, c.YTicks = c.latencyAxis()
	} else {
		y, c.YTicks = plainAxis(c.largest(func(l *line) []float64 { return l.ys }), plotBottom, plotTop, thousands)
	}
	c.draw(x, y)
	return c
}

// thousands writes a large number short.
func thousands(v float64) string {
	if v >= 1000 {
		return strconv.FormatFloat(v/1000, 'g', 4, 64) + " k"
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}
