// Package metrics counts what requests and background work do, for whoever watches the server. It keeps figures in memory, at a
// few nanoseconds each, and knows no format to show them in: package admin does.
package metrics

// Metrics are the figures of one database. A nil one counts nothing.
type Metrics struct{}
