// Package admin is the second address of a server, for those who run it: health, metrics, profiles, backups.
package admin
