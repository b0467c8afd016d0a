package server

import (
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
)

// compressor is what gzip's and zlib's writers have in common.
type compressor interface {
	io.WriteCloser
	Reset(io.Writer)
}

// Compressors take some hundred kilobytes each, so they are reused. They use the fastest level: a
// client asks for compression to get its answer sooner.
var (
	gzipPool = sync.Pool{New: func() any { z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed); return z }}
	zlibPool = sync.Pool{New: func() any { z, _ := zlib.NewWriterLevel(nil, zlib.BestSpeed); return z }}
)

// compressors is a semaphore for compressors in use. Their memory is outside the budget, so their
// number is limited: more at a time than there are processors would not be faster.
var compressors = make(chan struct{}, runtime.GOMAXPROCS(0))

// appendCompressed appends the body, compressed by a compressor of the pool. It waits while
// all compressors are in use.
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

// Write implements io.Writer.
func (w *appendWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}
