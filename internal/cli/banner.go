package cli

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
)

// banner is what serve prints when it is ready: addresses, access, where the data is, and commands
// to paste. They set the endpoint of streams, too, as otherwise the SDK's streams client would send
// its requests to AWS. With --log-format json the banner is a JSON object on one line, for programs
// that collect standard output.
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
