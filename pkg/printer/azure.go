// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package printer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// AzureFormat is a way to write an answer that az has too.
type AzureFormat string

// The formats of az. Its source is knack's output.py.
const (
	AzureJSON       AzureFormat = "json"
	AzureColourJSON AzureFormat = "jsonc"
	AzureYAML       AzureFormat = "yaml"
	AzureColourYAML AzureFormat = "yamlc"
	AzureTable      AzureFormat = "table"
	AzureTSV        AzureFormat = "tsv"
	AzureNone       AzureFormat = "none"
)

// AzureFormats are all of them, as help and errors name them.
const AzureFormats = "json, jsonc, yaml, yamlc, table, tsv, none"

// ParseAzureFormat returns the format called s, in upper or lower case; json if
// s is empty. The error of another names those there are.
func ParseAzureFormat(s string) (AzureFormat, error) {
	f := AzureFormat(strings.ToLower(s))
	if f == "" {
		return AzureJSON, nil
	}
	if !slices.Contains(strings.Split(AzureFormats, ", "), string(f)) {
		return "", fmt.Errorf("output format %q is not known here: write one of %s", s, AzureFormats)
	}
	return f, nil
}

// Azure writes answers as az does.
type Azure struct {
	Format AzureFormat
	Query  Query
	// Colour says that jsonc and yamlc may have colours: that the reader is a
	// terminal.
	Colour bool
}

// Print writes what the query finds in v, which is anything that can be written
// as JSON. What comes to null writes nothing, as with az. An error is that of
// the query, or of writing.
func (a Azure) Print(out io.Writer, v any) error {
	o := orders{}
	value, err := o.read(v)
	if err != nil {
		return err
	}
	if value, err = a.Query.search(value, o); err != nil || value == nil {
		return err
	}
	var text bytes.Buffer
	switch a.Format {
	case AzureYAML, AzureColourYAML:
		err = writeYAMLDocument(&text, value)
	case AzureTable:
		table{orders: o, given: a.Query.node != nil}.write(&text, value)
	case AzureTSV:
		tsv(&text, value, o)
	case AzureNone:
	case AzureJSON, AzureColourJSON:
		err = WriteJSON(&text, value)
	}
	if err != nil {
		return err
	}
	_, err = out.Write(a.colour(text.Bytes()))
	return err
}

// writeYAMLDocument writes a plain text with the mark that ends a document,
// without which it could go on.
func writeYAMLDocument(out io.Writer, value any) error {
	if err := WriteYAML(out, value); err != nil {
		return err
	}
	switch value.(type) {
	case map[string]any, []any:
		return nil
	}
	_, err := fmt.Fprintln(out, "...")
	return err
}

// orders remembers in which order the keys of objects were given, which Go's
// maps do not. Objects are known by their address; they are kept, so that no
// address comes back for another.
type orders map[uintptr]keyOrder

type keyOrder struct {
	object map[string]any
	keys   []string
	// chosen says that a query named the keys, one by one.
	chosen bool
}

func (o orders) add(object map[string]any, keys []string, chosen bool) {
	o[reflect.ValueOf(object).Pointer()] = keyOrder{object: object, keys: keys, chosen: chosen}
}

// keys are those of the object as they were given; sorted if that is not known.
func (o orders) keys(object map[string]any) []string {
	if order, ok := o[reflect.ValueOf(object).Pointer()]; ok {
		return order.keys
	}
	return slices.Sorted(maps.Keys(object))
}

// chosen tells whether a query named the object's keys.
func (o orders) chosen(object map[string]any) bool {
	return o[reflect.ValueOf(object).Pointer()].chosen
}

func (o orders) values(object map[string]any) []any {
	values := make([]any, 0, len(object))
	for _, key := range o.keys(object) {
		values = append(values, object[key])
	}
	return values
}

// read turns v into objects, lists, texts, numbers, booleans and nil.
func (o orders) read(v any) (any, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return o.decode(json.NewDecoder(bytes.NewReader(raw)))
}

func (o orders) decode(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('['):
		return o.decodeList(d)
	case json.Delim('{'):
		return o.decodeObject(d)
	}
	return token, nil
}

func (o orders) decodeList(d *json.Decoder) (any, error) {
	list := []any{}
	for d.More() {
		one, err := o.decode(d)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	_, err := d.Token()
	return list, err
}

func (o orders) decodeObject(d *json.Decoder) (any, error) {
	object, keys := map[string]any{}, []string{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		key, _ := name.(string)
		if object[key], err = o.decode(d); err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	_, err := d.Token()
	o.add(object, keys, false)
	return object, err
}

// tsv writes a line for each element of a list, or one for anything else, with
// tabs between the fields. Fields are in the order in which a query named them,
// otherwise by name.
func tsv(out *bytes.Buffer, value any, o orders) {
	rows, ok := value.([]any)
	if !ok {
		rows = []any{value}
	}
	for _, row := range rows {
		var fields []any
		switch row := row.(type) {
		case []any:
			fields = row
		case map[string]any:
			fields = fieldsOf(row, o)
		case bool:
			fields = []any{strconv.FormatBool(row)}
		default:
			fields = []any{row}
		}
		texts := make([]string, 0, len(fields))
		for _, field := range fields {
			texts = append(texts, tsvField(field, o))
		}
		fmt.Fprintln(out, strings.Join(texts, "\t"))
	}
}

func fieldsOf(object map[string]any, o orders) []any {
	if o.chosen(object) {
		return o.values(object)
	}
	return orders{}.values(object)
}

// tsvField is the length of a list, nothing for an object, and Python's word
// for anything else.
func tsvField(v any, o orders) string {
	switch v := v.(type) {
	case []any:
		return strconv.Itoa(len(v))
	case map[string]any:
		return ""
	}
	return python(v, o)
}

// python writes a value as Python prints it.
func python(v any, o orders) string {
	if text, ok := v.(string); ok {
		return text
	}
	return quoted(v, o)
}

// quoted writes a value as Python writes it inside of another.
func quoted(v any, o orders) string {
	var parts []string
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case float64:
		return number(v)
	case string:
		return pythonText(v)
	case []any:
		for _, one := range v {
			parts = append(parts, quoted(one, o))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		for _, key := range o.keys(v) {
			parts = append(parts, pythonText(key)+": "+quoted(v[key], o))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprint(v)
}

// pythonText puts a text into single quotes, or into double ones if it has
// single ones only.
func pythonText(text string) string {
	quote := "'"
	if strings.Contains(text, "'") && !strings.Contains(text, `"`) {
		quote = `"`
	}
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`, quote, `\`+quote)
	return quote + escape.Replace(text) + quote
}

// number writes a whole number without a point.
func number(f float64) string {
	if size := math.Abs(f); f != 0 && (size < 1e-4 || size >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}
