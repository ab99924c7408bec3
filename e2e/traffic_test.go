// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestTheSplitIsExactAndAPinIsAPin(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.echo("blue", "sky")
	s.echo("green", "grass", "--traffic", "20")
	c, key := s.client(), bearer(s.key("echo"))
	url, body := s.url("echo"), "-body={}"

	r := c.send(url, 2000, key, body).allOK(t)
	r.nearly(t, "green", 20)
	sky, grass := r.Bodies[`{"model": "sky"}`], r.Bodies[`{"model": "grass"}`]
	if sky != r.Versions["blue"] || grass != r.Versions["green"] || sky+grass != 2000 {
		t.Errorf("answers %v do not agree with versions %v", r.Bodies, r.Versions)
	}
	for _, share := range []string{"0", "100"} {
		s.ok("traffic", "set", "echo", "green="+share)
		want := map[string]string{"0": "blue", "100": "green"}[share]
		if r := c.send(url, 500, key, body).allOK(t); r.Versions[want] != 500 {
			t.Errorf("at %s %% green the answers came from %v", share, r.Versions)
		}
	}
	s.ok("traffic", "set", "echo", "green=0")
	if r := c.send(url, 50, key, body, "-header=azureml-model-deployment: green").allOK(t); r.Versions["green"] != 50 {
		t.Errorf("pinned to green, answered by %v", r.Versions)
	}
	if r := c.send(url, 1, key, body, "-header=azureml-model-deployment: purple"); r.Status["404"] != 1 {
		t.Errorf("pinned to a version that is not there, answered %v", r.Status)
	}
}

func TestTwentyTrafficChangesLoseNoRequest(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.echo("blue", "sky", "--purpose", "FastProd")
	s.echo("green", "grass")
	c := s.client()
	end := c.steady(s.url("echo"), 60, 5*time.Minute, bearer(s.key("echo")), "-body={}")
	var took []string
	for i := range 20 {
		share := []int{20, 80, 0, 50, 100}[i%5]
		r := s.ok("traffic", "set", "echo", fmt.Sprintf("green=%d", share))
		took = append(took, r.took.Round(10*time.Millisecond).String())
		s.everyRouterRuns("echo", map[string]float64{"blue": float64(100 - share), "green": float64(share)})
	}
	r := end().allOK(t)
	t.Logf("%d requests over 20 changes, all answered 200; the changes took %s", r.Sent, strings.Join(took, " "))
}

func TestPlacingModelsOnDevices(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.echo("plain", "sky")
	s.echo("gpu", "grass", "--accelerator", "nvidia")
	s.echo("fpga", "sand", "--accelerator", "fpga:1")
	for version, tainted := range map[string]bool{"plain": false, "gpu": true, "fpga": true} {
		if got := s.onTaintedNode(version); got != tainted {
			t.Errorf("version %s runs on the tainted node: %v, want %v", version, got, tainted)
		}
	}
}
