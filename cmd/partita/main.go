// Command partita runs a DynamoDB-compatible database. "partita --help" tells more.
package main

import (
	"os"

	"github.com/partita-db/partita/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Environ(), os.Stdout, os.Stderr)) }
