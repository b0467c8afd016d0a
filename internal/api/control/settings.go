package control

import (
	"encoding/json"
	"strings"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/schema"
)

// The enums of settings; the order of the view types is AWS's.
var (
	enumViewType = wire.EnumOf(
		schema.ViewOldImage, schema.ViewKeysOnly, schema.ViewNewAndOldImages, schema.ViewNewImage)
	enumSSEType     = wire.Enum{"AES256", "KMS"}
	enumConsistency = wire.Enum{"EVENTUAL", "STRONG"}
	enumReplication = wire.Enum{"ENABLED", "DISABLED", "ENABLED_WITH_OVERRIDES"}
)

type streamSpec struct {
	Set     bool
	enabled wire.OptBool
	view    wire.OptString
}

func (c op) streamSpec(dst *streamSpec) error {
	*dst = streamSpec{Set: true}
	return c.ReadObject(wire.InField, "StreamSpecification", func(name string) error {
		switch name {
		case "StreamEnabled":
			return c.ReadBool(&dst.enabled)
		case "StreamViewType":
			return c.ReadString(&dst.view)
		}
		return c.Skip()
	})
}

func (v *violations) stream(s streamSpec) {
	if !s.Set {
		return
	}
	if !s.enabled.Set {
		v.Null("streamSpecification.streamEnabled")
	}
	v.Enum(s.view, "streamSpecification.streamViewType", enumViewType)
}

// Rules between a stream's members, which CreateTable and UpdateTable word differently.

func (s streamSpec) checkCreate() error {
	switch {
	case s.enabled.V && !s.view.Set:
		return wire.Validation(wire.Invalid + "Table is being created with a stream enabled, UpdateViewType is required")
	case !s.enabled.V && s.view.Set:
		return wire.Validation(wire.Invalid + "Table is being created with a stream disabled, UpdateViewType should not be specified")
	}
	return nil
}

func (s streamSpec) checkUpdate() error {
	switch {
	case !s.Set:
	case s.enabled.V && !s.view.Set:
		return wire.Validation(wire.Invalid + "If stream is being enabled then UpdateViewType is required")
	case !s.enabled.V && s.view.Set:
		return wire.Validation(wire.Invalid + "If stream is being disabled, then UpdateViewType must not be specified")
	}
	return nil
}

type sseSpec struct {
	Set       bool
	enabled   wire.OptBool
	kind, key wire.OptString
}

func (c op) sseSpec(dst *sseSpec) error {
	*dst = sseSpec{Set: true}
	return c.ReadObject(wire.InField, "SSESpecification", func(name string) error {
		switch name {
		case "Enabled":
			return c.ReadBool(&dst.enabled)
		case "SSEType":
			return c.ReadString(&dst.kind)
		case "KMSMasterKeyId":
			return c.ReadString(&dst.key)
		}
		return c.Skip()
	})
}

func (v *violations) sse(s sseSpec) {
	v.Enum(s.kind, "sSESpecification.sSEType", enumSSEType)
	if s.key.Set {
		v.Length(len(s.key.V), s.key.V, "sSESpecification.kMSMasterKeyId", 1, 0)
	}
}

// check checks the rules between the members of an SSESpecification.
func (s sseSpec) check() error {
	off := s.enabled.Set && !s.enabled.V
	switch {
	case off && s.kind.Set:
		return wire.Validation(wire.Invalid + "SSEType can not be specified if Enabled is false")
	case off && s.key.Set:
		return wire.Validation(wire.Invalid + "KMSMasterKeyId can not be specified if Enabled is false")
	case s.kind.V == "AES256":
		return wire.Validation(wire.Invalid + "SSEType AES256 is not supported")
	case s.key.Set && !s.kind.Set:
		return wire.Validation(wire.Invalid + "SSEType KMS is required if KMSMasterKeyId is specified")
	}
	return nil
}

// on tells whether a checked specification asks for a KMS key: {SSEType: KMS} alone does, {} does
// not (AWS then uses a key of its own, and shows no encryption).
func (s sseSpec) on() bool { return s.enabled.V || s.kind.Set }

// defaultKey is the key where none is named.
const defaultKey = "alias/aws/dynamodb"

func (s sseSpec) store(d *schema.Descriptor) {
	d.SSEType, d.SSEKey = "", ""
	if !s.on() {
		return
	}
	d.SSEType, d.SSEKey = "KMS", defaultKey
	if s.key.Set {
		d.SSEKey = s.key.V
	}
}

// keyARN is the ARN of a KMS key named by id, alias or ARN. AWS answers the ARN of the key that an
// alias stands for; without a KMS that is not known, and the ARN names the alias.
func keyARN(key, region string) string {
	switch {
	case strings.HasPrefix(key, "arn:"):
		return key
	case strings.HasPrefix(key, "alias/"), strings.HasPrefix(key, "key/"):
		return "arn:aws:kms:" + region + ":" + call.Account + ":" + key
	}
	return "arn:aws:kms:" + region + ":" + call.Account + ":key/" + key
}

// checkTableClass checks a TableClass that may be absent.
func checkTableClass(o wire.OptString) error {
	if !o.Set || o.V == "STANDARD" || o.V == "STANDARD_INFREQUENT_ACCESS" {
		return nil
	}
	return wire.Validation("Invalid table-class parameter provided. Please try again with a valid table-class value: [STANDARD, STANDARD_INFREQUENT_ACCESS].")
}

// maxPolicyBytes is the size limit of a resource policy, blanks included.
const maxPolicyBytes = 20_480

// checkPolicy checks that a ResourcePolicy, which may be absent, has the form of one. It is stored;
// what it grants is not evaluated.
func checkPolicy(o wire.OptString) error {
	const problem = wire.Invalid + "Invalid policy document: "
	if !o.Set {
		return nil
	}
	if len(o.V) > maxPolicyBytes {
		return wire.Validation(wire.Invalid + "Maximum policy size of 20480 bytes exceeded")
	}
	if strings.TrimSpace(o.V) == "null" {
		return wire.Validation(problem + "This text appears not to be a policy")
	}
	var policy map[string]json.RawMessage
	if json.Unmarshal([]byte(o.V), &policy) != nil {
		return wire.Validation(problem + "This policy contains invalid Json")
	}
	if len(policy) == 0 {
		return wire.Validation(problem + "Syntax error at position (1,3)")
	}
	return nil
}
