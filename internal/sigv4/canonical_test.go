package sigv4

import (
	"bufio"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/partita-db/partita/internal/sigv4/sigv4test"
)

// TestVectors signs the requests of AWS's Signature Version 4 test suite and of its guide, and
// expects their signatures.
func TestVectors(t *testing.T) {
	const vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
	const unreserved = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for _, test := range []struct {
		name, method, target, headers, signed, body, want string
	}{
		{name: "get-vanilla", target: "/", want: vanilla},
		{name: "get-slash", target: "//", want: vanilla},
		{name: "get-relative", target: "/example/..", want: vanilla},
		{name: "get-relative-relative", target: "/example1/example2/../..", want: vanilla},
		{name: "get-slash-dot-slash", target: "/./", want: vanilla},
		{name: "get-slashes", target: "//example//", want: "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
		{name: "get-slash-pointless-dot", target: "/./example", want: "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"},
		{name: "get-unreserved", target: "/" + unreserved, want: "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
		{name: "get-utf8", target: "/ሴ", want: "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
		{name: "get-vanilla-query-order-key-case", target: "/?Param2=value2&Param1=value1",
			want: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
		{name: "get-vanilla-empty-query-key", target: "/?Param1=value1",
			want: "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
		{name: "get-vanilla-query-order-value", target: "/?Param1=value2&Param1=value1",
			want: "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"},
		{name: "get-vanilla-query-unreserved", target: "/?" + unreserved + "=" + unreserved,
			want: "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
		{name: "get-vanilla-utf8-query", target: "/?ሴ=bar", want: "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
		{name: "get-header-key-duplicate", target: "/", headers: "My-Header1:value2\nMy-Header1:value2\nMy-Header1:value1\n",
			signed: "host;my-header1;x-amz-date", want: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
		{name: "get-header-value-order", target: "/", headers: "My-Header1:value4\nMy-Header1:value1\nMy-Header1:value3\nMy-Header1:value2\n",
			signed: "host;my-header1;x-amz-date", want: "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
		{name: "get-header-value-trim", target: "/", headers: "My-Header1: value1\nMy-Header2: \"a   b   c\"\n",
			signed: "host;my-header1;my-header2;x-amz-date", want: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
		{name: "post-vanilla", method: "POST", target: "/", want: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
		{name: "post-vanilla-query", method: "POST", target: "/?Param1=value1",
			want: "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
		{name: "post-header-key-sort", method: "POST", target: "/", headers: "My-Header1:value1\n",
			signed: "host;my-header1;x-amz-date", want: "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
		{name: "post-header-value-case", method: "POST", target: "/", headers: "My-Header1:VALUE1\n",
			signed: "host;my-header1;x-amz-date", want: "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
		{name: "post-x-www-form-urlencoded", method: "POST", target: "/", body: "Param1=value1",
			headers: "Content-Type:application/x-www-form-urlencoded\n", signed: "content-type;host;x-amz-date",
			want: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.method == "" {
				test.method = "GET"
			}
			if test.signed == "" {
				test.signed = "host;x-amz-date"
			}
			raw := test.method + " " + test.target + " HTTP/1.1\nHost:example.amazonaws.com\n" + test.headers + "X-Amz-Date:20150830T123600Z\n\n"
			r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
			if err != nil {
				t.Fatal(err)
			}
			s := sigv4test.Signing{Secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", Date: "20150830T123600Z", Service: "service"}.Complete()
			var c Canonical
			text, ok := c.StringToSign(r, &Signature{SignedHeaders: test.signed, Date: s.Date, Credential: "key/" + s.Scope()}, sha256.Sum256([]byte(test.body)))
			if !ok {
				t.Fatal("the request is said to be too long")
			}
			if got := s.Signature(string(text)); got != test.want {
				t.Errorf("signature %s, want %s; signed:\n%s", got, test.want, text)
			}
		})
	}
}

// TestGuide is the example of AWS's guide, with its string to sign.
func TestGuide(t *testing.T) {
	r := httptest.NewRequest("GET", "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08", nil)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	r.Header.Set("X-Amz-Date", "20150830T123600Z")
	var c Canonical
	sig := &Signature{
		SignedHeaders: "content-type;host;x-amz-date", Date: "20150830T123600Z",
		Credential: "key/20150830/us-east-1/iam/aws4_request",
	}
	text, _ := c.StringToSign(r, sig, sha256.Sum256(nil))
	const want = "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n" +
		"f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59"
	if string(text) != want {
		t.Errorf("the string to sign is\n%s\nwant\n%s", text, want)
	}
}
