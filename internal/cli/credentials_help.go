package cli

// Help adds to the command's help.
func (*credentialsCommand) Help() string {
	return `Access keys let clients use a server that is started with --credentials. They are kept in a file
that the server reads again when it changes.

Example:

	partita credentials new --file credentials.json --user alice`
}

// Help adds to the command's help.
func (*newCredentials) Help() string {
	return `Makes an access key and prints it with its secret, which is not shown again by any other command.
With --file, standard output has only lines that can be pasted into a shell.

Examples:

	partita credentials new --file credentials.json --user alice
	partita credentials new --file credentials.json --user reports --read-only
	partita credentials new --file credentials.json --user job --expires 12h --session-token`
}

// Help adds to the command's help.
func (*listCredentials) Help() string {
	return `Prints the access keys in a credentials file, with their users, when they expire, and in short what
each may do. With --json the policies are complete. Secrets are never printed.

Example:

	partita credentials list --file credentials.json`
}

// Help adds to the command's help.
func (*deleteCredentials) Help() string {
	return `Removes an access key from a credentials file. A server that uses the file rejects the key
within two seconds.

Example:

	partita credentials delete --file credentials.json AKIAIOSFODNN7EXAMPLE`
}
