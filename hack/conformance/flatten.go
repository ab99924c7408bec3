// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"strconv"
	"strings"
)

// flatten makes a map from paths to scalars and lists, as texts that are the
// same for equal values. Null, "", {} and [] are left out: Azure ML treats all
// of them as absent.
func flatten(config map[string]any) map[string]string {
	out := map[string]string{}
	var plain any
	dec := json.NewDecoder(bytes.NewReader(encoded(config)))
	dec.UseNumber()
	if dec.Decode(&plain) == nil {
		flattenInto(out, "", plain)
	}
	for path, absent := range absentValues() {
		if out[path] == absent {
			delete(out, path)
		}
	}
	return out
}

func encoded(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return []byte("null")
	}
	return b
}

// absentValues are values that mean the same as the lack of the key.
func absentValues() map[string]string {
	out := map[string]string{"dataCollection.storageEnabled": "false", "port": "0"}
	for _, prefix := range []string{"environment.", ""} {
		out[prefix+"python.userManagedDependencies"] = "false"
		out[prefix+"python.interpreterPath"] = `"python"`
		out[prefix+"docker.platform.os"] = `"Linux"`
		out[prefix+"docker.platform.architecture"] = `"amd64"`
	}
	return out
}

func flattenInto(out map[string]string, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if strings.HasPrefix(key, "$") && len(v) == 1 {
				// What JSON cannot hold; see plain in probe.py.
				out[path] = key + " " + scalarText(value)
				return
			}
			flattenInto(out, strings.TrimPrefix(path+"."+key, "."), value)
		}
	case nil:
	case []any:
		if len(v) > 0 {
			out[path] = string(encoded(v))
		}
	default:
		if s := scalarText(v); s != `""` {
			out[path] = s
		}
	}
}

// scalarText writes equal numbers equally.
func scalarText(v any) string {
	if n, ok := v.(json.Number); ok {
		if f, err := n.Float64(); err == nil {
			if f == 0 {
				f = 0 // not the negative one
			}
			return strconv.FormatFloat(f, 'g', -1, 64)
		}
	}
	return string(encoded(v))
}

// flattenTheirs is flatten for an answer of Azure ML, less what says nothing
// about the file.
func flattenTheirs(q question, config map[string]any) map[string]string {
	switch q.Kind {
	case "deployment":
		if kind, ok := config["computeType"].(string); ok {
			config["computeType"] = strings.ToUpper(kind)
		}
		for _, key := range words("environmentImageRequest kvTags description storageInitEnabled sslCertificate sslKey") {
			delete(config, key)
		}
		if collection, ok := config["dataCollection"].(map[string]any); ok {
			delete(collection, "eventHubEnabled")
		}
	case "environment":
		trimEnvironment(config)
	default:
		old, _ := config["old"].(map[string]any)
		registry, _ := old["baseImageRegistry"].(map[string]any)
		maps.DeleteFunc(registry, func(key string, _ any) bool {
			return key != "address" && key != "username" && key != "password"
		})
		if e, ok := config["environment"].(map[string]any); ok {
			trimEnvironment(e)
		}
	}
	return flatten(config)
}

// trimEnvironment takes what only matters to training out of an environment,
// and sorts the packages of its conda file by the tool that installs them.
func trimEnvironment(e map[string]any) {
	for _, key := range words("spark databricks r assetId") {
		delete(e, key)
	}
	if docker, ok := e["docker"].(map[string]any); ok {
		for _, key := range words("enabled sharedVolumes buildContext") {
			delete(docker, key)
		}
		if registry, ok := docker["baseImageRegistry"].(map[string]any); ok {
			delete(registry, "registryIdentity")
		}
	}
	python, _ := e["python"].(map[string]any)
	conda, _ := python["condaDependencies"].(map[string]any)
	dependencies, _ := conda["dependencies"].([]any)
	var packages, pip []any
	for _, d := range dependencies {
		if tool, ok := d.(map[string]any); ok {
			list, _ := tool["pip"].([]any)
			pip = append(pip, list...)
			continue
		}
		packages = append(packages, d)
	}
	if conda != nil {
		conda["dependencies"], conda["pip"] = packages, pip
	}
}

// isType tells whether a value that Azure ML has read is of the type that a
// finding says it is not.
func isType(v any, name string) bool {
	switch v := v.(type) {
	case bool:
		return name == "true or false"
	case string:
		return name == "text"
	case []any:
		return name == "a list"
	case json.Number:
		f, err := v.Float64()
		return err == nil && (name == "a number" || name == "a whole number" && f == math.Trunc(f) && math.Abs(f) < 1<<31)
	case map[string]any:
		for key := range v {
			if strings.HasPrefix(key, "$") && len(v) == 1 {
				return false
			}
		}
		return name == "an object"
	}
	return false
}
