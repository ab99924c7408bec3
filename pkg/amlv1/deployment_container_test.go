// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"reflect"
	"testing"
	"time"
)

const (
	aciAlone  = "warning: d.json:1:17: computeType: is taken for one replica on Kubernetes"
	aciRemark = aciAlone + ", which anybody may call, as in ACI: write \"authEnabled\": true to ask for a key\n"
)

func TestReadContainerInstance(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ keys, want string }{
		"nothing else": {`"computeType": "ACI"`, aciRemark},
		"what it has in common with AKS": {`"computeType": "aci", "containerResourceRequirements": {"cpu": 1, "memoryInGB": 2},
"authEnabled": true, "appInsightsEnabled": false, "keys": {"primaryKey": "a", "secondaryKey": "b"}`, aciAlone + "\n"},
		"resources that are none": {`"computeType": "ACI", "containerResourceRequirements": {"cpu": 0, "memoryInGB": -1}`, aciRemark +
			"d.json:1:65: containerResourceRequirements.cpu: must be greater than 0, not 0: write cores as a number, such as 0.5\n" +
			"d.json:1:82: containerResourceRequirements.memoryInGB: must be greater than 0, not -1: write GB as a number, such as 1.5\n"},
		"what means nothing on Kubernetes": {`"computeType": "ACI", "location": "eastus", "dnsNameLabel": "x",
"vnetName": "v", "subnetName": "s",
"vaultBaseUrl": "u", "keyName": "n", "keyVersion": "1"`, aciRemark +
			"warning: d.json:1:36: location: has no effect: it runs where the cluster is\n" +
			"warning: d.json:1:62: dnsNameLabel: has no effect: enter the address of the endpoint in your DNS\n" +
			"warning: d.json:2:13: vnetName: has no effect: it runs in the cluster's network\n" +
			"warning: d.json:2:32: subnetName: has no effect: it runs in the cluster's network\n" +
			"warning: d.json:3:17: vaultBaseUrl: has no effect: encryption is a setting of the cluster\n" +
			"warning: d.json:3:33: keyName: has no effect: encryption is a setting of the cluster\n" +
			"warning: d.json:3:52: keyVersion: has no effect: encryption is a setting of the cluster\n"},
		"TLS": {`"computeType": "ACI", "sslEnabled": true, "sslCertificate": "c.pem", "sslKey": "k.pem", "cname": "a.b"`, aciRemark +
			"warning: d.json:1:38: sslEnabled: has no effect, TLS is not served yet: let a gateway before the endpoint serve it\n" +
			"warning: d.json:1:62: sslCertificate: has no effect: TLS is not served yet\n" +
			"warning: d.json:1:81: sslKey: has no effect: TLS is not served yet\n" +
			"warning: d.json:1:99: cname: has no effect: TLS is not served yet\n"},
		"TLS without its files": {`"computeType": "ACI", "sslEnabled": true, "cname": ""`,
			"d.json:1:1: sslCertificate: is required when sslEnabled is true: write the path of a PEM file\n" +
				"d.json:1:1: sslKey: is required when sslEnabled is true: write the path of a PEM file\n" + aciRemark +
				"warning: d.json:1:38: sslEnabled: has no effect, TLS is not served yet: let a gateway before the endpoint serve it\n" +
				"d.json:1:53: cname: is required when sslEnabled is true: write a host name in quotes\n"},
		"TLS that is off needs nothing": {`"computeType": "ACI", "sslEnabled": false`, aciRemark},
		"some of a vault": {`"computeType": "ACI", "vaultBaseUrl": "u", "keyVersion": "1"`,
			"d.json:1:1: keyName: is required together with vaultBaseUrl and keyVersion: write all of them or none\n" + aciRemark +
				"warning: d.json:1:40: vaultBaseUrl: has no effect: encryption is a setting of the cluster\n" +
				"warning: d.json:1:59: keyVersion: has no effect: encryption is a setting of the cluster\n"},
		"half a network": {`"computeType": "ACI", "subnetName": "s"`,
			"d.json:1:1: vnetName: is required together with subnetName: write all of them or none\n" + aciRemark +
				"warning: d.json:1:38: subnetName: has no effect: it runs in the cluster's network\n"},
		"keys of AKS": {`"computeType": "ACI", "numReplicas": 0, "autoScaler": null, "gpuCores": null, "tokenAuthEnabled": true,
"containerResourceRequirements": {"cpuLimit": 1}, "port": 1, "tags": {}`, aciRemark +
			"warning: d.json:1:24: numReplicas: is not read for computeType ACI, only for AKS and AKSENDPOINT: remove it\n" +
			"warning: d.json:1:80: tokenAuthEnabled: is not read for computeType ACI, only for AKS and AKSENDPOINT: remove it\n" +
			"warning: d.json:2:35: containerResourceRequirements.cpuLimit: is not read for computeType ACI, " +
			"only for AKS and AKSENDPOINT: remove it\n" +
			"warning: d.json:2:51: port: is not read for computeType ACI, only for LOCAL: remove it\n" +
			"warning: d.json:2:62: tags: has no effect in the file, as in Azure ML: give it as a flag\n"},
		"a key of ACI in another file": {`"computeType": "AKS", "location": 1`,
			"warning: d.json:1:24: location: is not read for computeType AKS, only for ACI: remove it\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, findings := ReadDeploymentConfig("d.json", []byte("{"+c.keys+"}"))
			expect(t, "findings", told(findings), c.want)
		})
	}
}

func TestReadLocal(t *testing.T) {
	t.Parallel()
	const wrong = "d.json:1:34: port: must be from 0 to 65535, not "
	for src, want := range map[string]string{
		`"port": 1`: "", `"port": 65535`: "", `"port": 0`: "", `"port": null`: "",
		`"port": 65536`:  wrong + "65536: write a port such as 6789\n",
		`"port": -1`:     wrong + "-1: write a port such as 6789\n",
		`"port": "6789"`: "d.json:1:34: port: must be a whole number, not the text \"6789\": write a port such as 6789\n",
		`"numReplicas": 0, "containerResourceRequirements": {"cpu": 0}`: "warning: d.json:1:26: numReplicas: " +
			"is not read for computeType LOCAL, only for AKS and AKSENDPOINT: remove it\n" +
			"warning: d.json:1:44: containerResourceRequirements: is not read for computeType LOCAL, " +
			"only for ACI, AKS and AKSENDPOINT: remove it\n",
	} {
		_, findings := ReadDeploymentConfig("d.json", []byte(`{"computeType": "LOCAL", `+src+"}"))
		expect(t, src, told(findings), want)
	}
}

func TestEffectiveOfACIAndLocal(t *testing.T) {
	t.Parallel()
	service := Service{
		ComputeType: ACI, Replicas: 1, CPU: 0.1, MemoryInGB: 0.5, ScoringTimeout: time.Minute,
		MaxQueueWait: 500 * time.Millisecond, MaxConcurrentRequests: 1,
		Liveness: Liveness{InitialDelay: 310 * time.Second, Period: 10 * time.Second, Timeout: 2 * time.Second,
			FailureThreshold: 3},
	}
	for src, change := range map[string]func(*Service){
		`{"computeType": "ACI"}`: func(*Service) {},
		`{"computeType": "ACI", "authEnabled": true, "keys": {"primaryKey": "a", "secondaryKey": "b"},
			"containerResourceRequirements": {"cpu": 2, "memoryInGB": 1.5}}`: func(s *Service) {
			s.KeyAuth, s.Keys, s.CPU, s.MemoryInGB = true, Keys{"a", "b"}, 2, 1.5
		},
		`{"computeType": "LOCAL"}`:               func(s *Service) { s.ComputeType = Local },
		`{"computeType": "LOCAL", "port": 6789}`: func(s *Service) { s.ComputeType, s.Port = Local, 6789 },
	} {
		config, findings := ReadDeploymentConfig("d.json", []byte(src))
		if err := findings.Err(); err != nil {
			t.Fatal(err)
		}
		want := service
		change(&want)
		if got := config.Effective(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got\n%+v\nwant\n%+v", src, got, want)
		}
	}
}

func TestResolveOfACI(t *testing.T) {
	t.Parallel()
	files := newTree(nil, "/w/tls/c.pem")
	const tls = `{"computeType": "ACI", "sslEnabled": true, "cname": "a.b", "sslCertificate": "tls/c.pem", "sslKey": "tls/k.pem"}`
	c, _ := ReadDeploymentConfig("d.json", []byte(tls))
	expect(t, "findings", told(c.Resolve(files, "/w")),
		"d.json:1:101: sslKey: /w/tls/k.pem does not exist: write a path from /w\n")
	if findings := c.Set("sslKey", "/w/tls/x.pem"); findings.Err() != nil {
		t.Error(findings)
	}
	expect(t, "findings of a flag", told(c.Resolve(files, "/w")),
		"--ssl-key-pem-file: /w/tls/x.pem does not exist: write a path from /w\n")
	off := false
	c.ACI.SSLEnabled = &off
	expect(t, "findings with TLS off", told(c.Resolve(files, "/w")), "")
}

func TestAFlagOfAnotherComputeTypeIsLeftOut(t *testing.T) {
	t.Parallel()
	c, _ := ReadDeploymentConfig("d.json", []byte(`{"computeType": "ACI"}`))
	expect(t, "a field of AKS", told(c.Set("numReplicas", "2")),
		"warning: --num-replicas: is not read for computeType ACI, only for AKS and AKSENDPOINT: remove it\n")
	expect(t, "a field without effect", told(c.Set("location", "eastus")),
		"warning: --location: has no effect: it runs where the cluster is\n")
	if c.NumReplicas != nil || c.ACI.Location != "eastus" {
		t.Errorf("config %+v", c)
	}
}
