// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package printer

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jmespath-community/go-jmespath/pkg/functions"
	"github.com/jmespath-community/go-jmespath/pkg/interpreter"
	"github.com/jmespath-community/go-jmespath/pkg/parsing"
	"github.com/jmespath-community/go-jmespath/pkg/util"
)

// Query is a JMESPath expression as az takes it in --query. The zero Query
// stands for the whole answer.
type Query struct {
	text string
	node *parsing.ASTNode
}

// ParseQuery reads an expression; an empty one is the zero Query. The error of
// a wrong one says where it stops making sense.
func ParseQuery(text string) (Query, error) {
	if text == "" {
		return Query{}, nil
	}
	node, err := parsing.NewParser().Parse(text)
	var wrong parsing.SyntaxError
	if errors.As(err, &wrong) {
		return Query{}, fmt.Errorf("query %q is no JMESPath at character %d: %s", text, position(text, wrong.Offset),
			reason(err))
	}
	if err != nil {
		return Query{}, fmt.Errorf("query %q is no JMESPath: %s", text, reason(err))
	}
	if err := known(node); err != nil {
		return Query{}, fmt.Errorf("query %q: %w", text, err)
	}
	return Query{text: text, node: &node}, nil
}

// reason is what the parser says, in one line and without its own name.
func reason(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	line = strings.TrimPrefix(line, "SyntaxError: ")
	return strings.ToLower(line[:min(1, len(line))]) + line[min(1, len(line)):]
}

// position counts the characters up to an offset in bytes, from 1.
func position(text string, offset int) int {
	return len([]rune(text[:max(0, min(offset, len(text)))])) + 1
}

// known refuses what the parser reads and az does not: arithmetic, variables
// and the root.
func known(n parsing.ASTNode) error {
	switch n.NodeType {
	case parsing.ASTArithmeticExpression, parsing.ASTArithmeticUnaryExpression:
		return errors.New("az's JMESPath has no arithmetic: put names with other characters into double quotes")
	case parsing.ASTLetExpression, parsing.ASTVariable, parsing.ASTRootNode, parsing.ASTBindings, parsing.ASTBinding:
		return errors.New("az's JMESPath has no variables and no $: write @ for what is looked at")
	}
	for _, child := range n.Children {
		if err := known(child); err != nil {
			return err
		}
	}
	return nil
}

// search returns what the query finds in value. Objects that the query makes
// have their keys in the order in which it names them; o remembers that.
func (q Query) search(value any, o orders) (any, error) {
	if q.node == nil {
		return value, nil
	}
	s := searcher{orders: o}
	s.functions = interpreter.NewFunctionCaller(append(functions.GetDefaultFunctions(), s.ordered()...)...)
	found, err := s.eval(*q.node, value)
	if err != nil {
		return nil, fmt.Errorf("query %q: %w", q.text, err)
	}
	if _, is := found.(functions.ExpRef); is {
		return nil, fmt.Errorf("query %q: an expression behind & is for a function, and no answer", q.text)
	}
	return found, nil
}

// searcher evaluates expressions as az's jmespath.py does: the library's own
// evaluation loses the order of keys, compares no texts and makes objects of
// what is not there.
type searcher struct {
	orders    orders
	functions interpreter.FunctionCaller
}

func (s searcher) eval(n parsing.ASTNode, v any) (any, error) {
	switch n.NodeType {
	case parsing.ASTIdentity, parsing.ASTCurrentNode:
		return v, nil
	case parsing.ASTLiteral:
		return n.Value, nil
	case parsing.ASTField:
		object, _ := v.(map[string]any)
		return object[n.Value.(string)], nil
	case parsing.ASTIndex:
		return item(v, n.Value.(int)), nil
	case parsing.ASTSlice:
		return slice(v, n.Value.([]*int))
	case parsing.ASTSubexpression, parsing.ASTIndexExpression, parsing.ASTPipe:
		return s.chain(n.Children, v)
	case parsing.ASTOrExpression, parsing.ASTAndExpression, parsing.ASTNotExpression:
		return s.logic(n, v)
	case parsing.ASTComparator:
		return s.compare(n, v)
	case parsing.ASTFlatten:
		return s.flatten(n, v)
	case parsing.ASTProjection, parsing.ASTValueProjection, parsing.ASTFilterProjection:
		return s.project(n, v)
	case parsing.ASTMultiSelectList, parsing.ASTMultiSelectHash:
		return s.choose(n, v)
	case parsing.ASTKeyValPair:
		return s.eval(n.Children[0], v)
	case parsing.ASTExpRef:
		return func(v any) (any, error) { return s.eval(n.Children[0], v) }, nil
	case parsing.ASTFunctionExpression:
		return s.call(n, v)
	}
	return nil, fmt.Errorf("%s is nothing that az knows", n.NodeType)
}

func (s searcher) chain(steps []parsing.ASTNode, v any) (any, error) {
	for _, step := range steps {
		var err error
		if v, err = s.eval(step, v); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (s searcher) logic(n parsing.ASTNode, v any) (any, error) {
	left, err := s.eval(n.Children[0], v)
	switch {
	case err != nil:
		return nil, err
	case n.NodeType == parsing.ASTNotExpression:
		return util.IsFalse(left), nil
	case util.IsFalse(left) == (n.NodeType == parsing.ASTOrExpression):
		return s.eval(n.Children[1], v)
	}
	return left, nil
}

// compare tells equal from unequal of anything, and the greater of two numbers
// or two texts; of others neither is.
func (s searcher) compare(n parsing.ASTNode, v any) (any, error) {
	left, err := s.eval(n.Children[0], v)
	if err != nil {
		return nil, err
	}
	right, err := s.eval(n.Children[1], v)
	if err != nil {
		return nil, err
	}
	switch n.Value {
	case parsing.TOKEQ:
		return util.ObjsEqual(left, right), nil
	case parsing.TOKNE:
		return !util.ObjsEqual(left, right), nil
	}
	sign, ok := order(left, right)
	if !ok {
		return nil, nil
	}
	switch n.Value {
	case parsing.TOKLT:
		return sign < 0, nil
	case parsing.TOKLTE:
		return sign <= 0, nil
	case parsing.TOKGT:
		return sign > 0, nil
	}
	return sign >= 0, nil
}

// order compares two numbers or two texts.
func order(left, right any) (sign int, ok bool) {
	switch left := left.(type) {
	case float64:
		right, ok := right.(float64)
		switch {
		case left < right:
			return -1, ok
		case left > right:
			return 1, ok
		}
		return 0, ok
	case string:
		right, ok := right.(string)
		return strings.Compare(left, right), ok
	}
	return 0, false
}

func (s searcher) flatten(n parsing.ASTNode, v any) (any, error) {
	left, err := s.eval(n.Children[0], v)
	list, ok := left.([]any)
	if err != nil || !ok {
		return nil, err
	}
	flat := []any{}
	for _, element := range list {
		if inner, ok := element.([]any); ok {
			flat = append(flat, inner...)
		} else {
			flat = append(flat, element)
		}
	}
	return flat, nil
}

// project applies the right side to each element of the left one, or to those
// that pass the filter, and leaves out what comes to nothing.
func (s searcher) project(n parsing.ASTNode, v any) (any, error) {
	left, err := s.eval(n.Children[0], v)
	if err != nil {
		return nil, err
	}
	list, ok := left.([]any)
	if object, is := left.(map[string]any); is && n.NodeType == parsing.ASTValueProjection {
		list, ok = s.orders.values(object), true
	} else if n.NodeType == parsing.ASTValueProjection {
		ok = false
	}
	if !ok {
		return nil, nil
	}
	found := []any{}
	for _, element := range list {
		if n.NodeType == parsing.ASTFilterProjection {
			if passes, err := s.eval(n.Children[2], element); err != nil {
				return nil, err
			} else if util.IsFalse(passes) {
				continue
			}
		}
		one, err := s.eval(n.Children[1], element)
		if err != nil {
			return nil, err
		}
		if one != nil {
			found = append(found, one)
		}
	}
	return found, nil
}

// choose makes a list or an object of several expressions; of nothing, nothing.
func (s searcher) choose(n parsing.ASTNode, v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	list, object, keys := []any{}, map[string]any{}, []string{}
	for _, child := range n.Children {
		one, err := s.eval(child, v)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
		if key, named := child.Value.(string); named && n.NodeType == parsing.ASTMultiSelectHash {
			if _, twice := object[key]; !twice {
				keys = append(keys, key)
			}
			object[key] = one
		}
	}
	if n.NodeType == parsing.ASTMultiSelectList {
		return list, nil
	}
	s.orders.add(object, keys, true)
	return object, nil
}

func (s searcher) call(n parsing.ASTNode, v any) (any, error) {
	arguments := make([]any, 0, len(n.Children))
	for _, child := range n.Children {
		one, err := s.eval(child, v)
		if err != nil {
			return nil, err
		}
		arguments = append(arguments, one)
	}
	found, err := s.functions.CallFunction(n.Value.(string), arguments)
	if err != nil {
		return nil, errors.New(reason(err))
	}
	return found, nil
}

// ordered are the functions whose answers have an order that the library does
// not keep.
func (s searcher) ordered() []functions.FunctionEntry {
	object := []functions.JpType{functions.JpObject}
	return []functions.FunctionEntry{
		{Name: "keys", Arguments: []functions.ArgSpec{{Types: object}}, Handler: func(a []any) (any, error) {
			keys := []any{}
			for _, key := range s.orders.keys(a[0].(map[string]any)) {
				keys = append(keys, key)
			}
			return keys, nil
		}},
		{Name: "values", Arguments: []functions.ArgSpec{{Types: object}}, Handler: func(a []any) (any, error) {
			return s.orders.values(a[0].(map[string]any)), nil
		}},
		{Name: "merge", Arguments: []functions.ArgSpec{{Types: object, Variadic: true}}, Handler: s.merge},
	}
}

func (s searcher) merge(objects []any) (any, error) {
	merged, keys := map[string]any{}, []string{}
	for _, one := range objects {
		object := one.(map[string]any)
		for _, key := range s.orders.keys(object) {
			if !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
			merged[key] = object[key]
		}
	}
	s.orders.add(merged, keys, false)
	return merged, nil
}

func item(v any, i int) any {
	list, _ := v.([]any)
	if i < 0 {
		i += len(list)
	}
	if i < 0 || i >= len(list) {
		return nil
	}
	return list[i]
}

func slice(v any, parts []*int) (any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, nil
	}
	found, err := util.Slice(list, util.MakeSliceParams(parts))
	if err != nil {
		return nil, errors.New(reason(err))
	}
	return found, nil
}
