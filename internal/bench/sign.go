package bench

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Credentials sign requests.
type Credentials struct {
	AccessKey, SecretKey string
	SessionToken         string // empty: there is none
}

// signer signs the requests of one connection by Signature Version 4.
type signer struct {
	Credentials
	region string
	day    string // that key is for
	key    []byte
}

// mac is HMAC-SHA256.
func mac(key []byte, s string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(s))
	return h.Sum(nil)
}

// headers appends the headers X-Amz-Date, Authorization and X-Amz-Security-Token of a request that is made now.
func (s *signer) headers(out []byte, now time.Time, host, target string, body []byte) []byte {
	date := now.UTC().Format("20060102T150405Z")
	if day := date[:8]; day != s.day {
		s.day = day
		s.key = mac(mac(mac(mac([]byte("AWS4"+s.SecretKey), day), s.region), "dynamodb"), "aws4_request")
	}
	signed, token := "content-type;host;x-amz-date;x-amz-target", ""
	if s.SessionToken != "" {
		signed, token = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target", "\nx-amz-security-token:"+s.SessionToken
	}
	sum := sha256.Sum256(body)
	canonical := sha256.Sum256([]byte("POST\n/\n\ncontent-type:" + contentType + "\nhost:" + host + "\nx-amz-date:" + date + token +
		"\nx-amz-target:" + targetPrefix + target + "\n\n" + signed + "\n" + hex.EncodeToString(sum[:])))
	scope := s.day + "/" + s.region + "/dynamodb/aws4_request"
	signature := mac(s.key, "AWS4-HMAC-SHA256\n"+date+"\n"+scope+"\n"+hex.EncodeToString(canonical[:]))
	out = append(out, "X-Amz-Date: "+date+"\r\nAuthorization: AWS4-HMAC-SHA256 Credential="+s.AccessKey+"/"+scope+
		", SignedHeaders="+signed+", Signature="...)
	out = append(hex.AppendEncode(out, signature), "\r\n"...)
	if s.SessionToken != "" {
		out = append(out, "X-Amz-Security-Token: "+s.SessionToken+"\r\n"...)
	}
	return out
}

// unsigned stands in for a signature where nobody verifies it: it has the form that servers without credentials look at.
const unsigned = "X-Amz-Date: 20260101T000000Z\r\nAuthorization: AWS4-HMAC-SHA256 " +
	"Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/dynamodb/aws4_request, " +
	"SignedHeaders=content-type;host;x-amz-date;x-amz-target, " +
	"Signature=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n"
