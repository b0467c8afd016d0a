package server

import (
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
)

// compressor is a compressor that can be used again.
type compressor interface {
	io.WriteCloser
	Reset(io.Writer)
}

// Compressors are some hundred kilobytes each, so they are kept. The fastest level: whoever asks a
// database for compression wants to save the network's time, not to spend it.
var (
	gzipPool = sync.Pool{New: func() any { z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed); return z }}
	zlibPool = sync.Pool{New: func() any { z, _ := zlib.NewWriterLevel(nil, zlib.BestSpeed); return z }}
)

// compressors has a place for each body that may be compressed at a time: a compressor takes as
// much memory as many answers, and more at a time than there are processors are no faster.
var compressors = make(chan struct{}, runtime.GOMAXPROCS(0))

// appendCompressed appends the body, compressed by a compressor of the pool.
func appendCompressed(dst, body []byte, pool *sync.Pool) []byte {
	compressors <- struct{}{}
	defer func() { <-compressors }()
	packed := appendWriter{dst}
	z := pool.Get().(compressor)
	defer pool.Put(z)
	z.Reset(&packed)
	_, _ = z.Write(body) // appendWriter never fails
	_ = z.Close()
	return packed.b
}

// appendWriter is an io.Writer into a slice.
type appendWriter struct{ b []byte }

// Write appends.
func (w *appendWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}
