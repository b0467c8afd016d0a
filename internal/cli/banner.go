package cli

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
)

// banner is what a user sees first: where it listens, who may come, where the data is, and lines to
// paste. A client of streams has an endpoint of its own: with that of the tables alone it would
// talk to AWS. Where the log is JSON the banner is an object on one line, as whoever collects
// standard output expects then.
func (c *serve) banner(listeners []net.Listener, where string) string {
	url := c.url
	if c.LogFormat == "json" {
		var line bytes.Buffer
		slog.New(slog.NewJSONHandler(&line, nil)).Info("Partita is ready",
			"version", Version(), "listening", url, "for", c.Access.describe(listeners), "data", where,
			"admin", c.Admin.describe(), "region", c.Region)
		return line.String()
	}
	return fmt.Sprintf("Partita %s\n  listening  %s\n  for        %s\n  data       %s\n  admin      %s\n"+
		"  try        %saws dynamodb list-tables --endpoint-url %s --region %s\n"+
		"  export     AWS_ENDPOINT_URL_DYNAMODB=%s\n  export     AWS_ENDPOINT_URL_DYNAMODB_STREAMS=%s\n",
		Version(), url, c.Access.describe(listeners), where, c.Admin.describe(),
		c.Access.example(), url, c.Region, url, url)
}
