package data

import (
	"strconv"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/params"
	"github.com/partita-db/partita/internal/api/wire"
)

type scanRequest struct {
	readRequest
	segment, totalSegments wire.OptInt
}

var scanMembers = members[*scanRequest]{
	{Name: "TableName", Read: (*scanRequest).readTableName},
	{Name: "IndexName", Read: (*scanRequest).readIndexName},
	{Name: "AttributesToGet", Read: (*scanRequest).readAttributesToGet},
	{Name: "Limit", Read: (*scanRequest).readLimit},
	{Name: "Select", Read: (*scanRequest).readSelect},
	{Name: "ScanFilter", Read: func(s *scanRequest, c *exec) error { return s.legacyFilter.Read(&c.Reader) }},
	{Name: "ConditionalOperator", Read: (*scanRequest).readConditionalOperator},
	{Name: "ExclusiveStartKey", Read: (*scanRequest).readExclusiveStartKey},
	{Name: "ReturnConsumedCapacity", Read: (*scanRequest).readReturnConsumedCapacity},
	{Name: "TotalSegments", Read: func(s *scanRequest, c *exec) error {
		return c.ReadInt(&s.totalSegments, "Integer")
	}},
	{Name: "Segment", Read: func(s *scanRequest, c *exec) error { return c.ReadInt(&s.segment, "Integer") }},
	{Name: "ProjectionExpression", Read: (*scanRequest).readProjectionExpression},
	{Name: "FilterExpression", Read: (*scanRequest).readFilterExpression},
	{Name: "ExpressionAttributeNames", Read: (*scanRequest).readExpressionAttributeNames},
	{Name: "ExpressionAttributeValues", Read: (*scanRequest).readExpressionAttributeValues},
	{Name: "ConsistentRead", Read: (*scanRequest).readConsistentRead},
}

// Scan answers a page of all items of a table or an index, or of one segment of them.
func Scan(c *call.Call) error { return run(c, (*exec).runScan) }

func (c *exec) runScan() error {
	s := &c.hot.scan
	*s = scanRequest{}
	if err := wire.Decode(&c.Reader, s, c, scanMembers); err != nil {
		return err
	}
	if err := s.checkConstraints(); err != nil {
		return err
	}
	if err := s.checkParameters(c); err != nil {
		return err
	}
	if err := s.bind(c); err != nil {
		return err
	}
	if err := s.checkSelect(params.Wording{}); err != nil {
		return err
	}
	w := s.want("Scan")
	w.Scan = true
	if err := s.resolve(c, w); err != nil {
		return err
	}
	if err := s.checkStartKey(true); err != nil {
		return err
	}
	if err := s.checkStartSegment(); err != nil {
		return err
	}
	if err := s.checkPaths(); err != nil {
		return err
	}
	if err := s.checkProjected(); err != nil {
		return err
	}
	return s.answer(c)
}

// checkConstraints checks the constraints of the model, in the order in which DynamoDB reports
// them.
func (s *scanRequest) checkConstraints() error {
	var v violations
	v.Enum(s.consumed, "returnConsumedCapacity", enumConsumed)
	v.Integer(s.totalSegments, "totalSegments", 1, 1000000)
	v.attributesToGet(s.attributesToGet, "attributesToGet", 0)
	v.TableName(s.tableName, 1)
	v.IndexName(s.indexName, "indexName")
	v.Integer(s.segment, "segment", 0, 999999)
	v.Integer(s.limit, "limit", 1, 0)
	v.Enum(s.sel, "select", enumSelect)
	v.Enum(s.conditional, "conditionalOperator", enumConditional)
	s.legacyFilter.CheckEnums(&v.Violations, "scanFilter", true)
	return v.Err()
}

// checkParameters checks which parameters can be together, and the legacy ones.
func (s *scanRequest) checkParameters(c *exec) error {
	expressions := [...]params.Parameter{
		{Name: "ProjectionExpression", Set: s.projectionText.Set},
		{Name: "FilterExpression", Set: s.filterText.Set},
	}
	legacy := [...]params.Parameter{
		{Name: "AttributesToGet", Set: s.attributesToGet.Set},
		{Name: "ScanFilter", Set: s.legacyFilter.Set},
		{Name: "ConditionalOperator", Set: s.conditional.Set},
	}
	if err := (params.Wording{}).CheckFamilies(legacy[:], expressions[:]); err != nil {
		return err
	}
	if err := c.ph.CheckUse(params.Wording{}, expressions[:], expressions[1:]); err != nil {
		return err
	}
	if err := checkDistinct(s.attributesToGet.V); err != nil {
		return err
	}
	if err := s.checkLegacyFilter(); err != nil {
		return err
	}
	if err := s.checkStartValues(); err != nil {
		return err
	}
	return s.checkSegments()
}

func (s *scanRequest) checkSegments() error {
	switch {
	case s.segment.Set && !s.totalSegments.Set:
		return wire.Validation("The TotalSegments parameter is required but was not present in the request when Segment parameter is present")
	case !s.segment.Set && s.totalSegments.Set:
		return wire.Validation("The Segment parameter is required but was not present in the request when parameter TotalSegments is present")
	case s.segment.Set && s.segment.V >= s.totalSegments.V:
		return wire.Validation("The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: " +
			strconv.FormatInt(s.segment.V, 10) +
			" is not less than TotalSegments: " + strconv.FormatInt(s.totalSegments.V, 10))
	}
	s.read.Segment, s.read.Segments = int(s.segment.V), int(s.totalSegments.V)
	return nil
}

func (s *scanRequest) bind(c *exec) error {
	if err := c.ph.CheckContents(params.Wording{}); err != nil {
		return err
	}
	if err := s.bindFilter(c); err != nil {
		return err
	}
	if err := s.bindProjection(c); err != nil {
		return err
	}
	return c.ph.CheckUnused()
}

// checkStartSegment checks that the start key lies in the segment: otherwise items would be
// skipped.
func (s *scanRequest) checkStartSegment() error {
	r := &s.read
	if !s.start.Set || r.Segments <= 1 || r.Table.SegmentOf(r.Index, r.After, r.Segments) == r.Segment {
		return nil
	}
	return wire.Validation(startInvalid + ": Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. TotalSegments: " +
		strconv.Itoa(r.Segments) + " Segment: " + strconv.Itoa(r.Segment))
}
