// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

// containerFields are the keys of a deploymentconfig.json for ACI.
func containerFields() []field {
	return []field{
		plains("containerResourceRequirements.cpu", "0.1 1 2.5"),
		plains("containerResourceRequirements.memoryInGB", "0.5 1 1.5"),
		quotes("location", "eastus"),
		plains("authEnabled", "true false"),
		plains("appInsightsEnabled", "true false"),
		quotes("dnsNameLabel", "label"),
		quotes("keys.primaryKey", "abc first"),
		quotes("keys.secondaryKey", "def second"),
		plains("sslEnabled", "false"),
		quotes("cname", "example.com"),
		quotes("sslCertificate", "cert.pem"),
		quotes("sslKey", "key.pem"),
		quotes("vaultBaseUrl", "https://example.com"),
		quotes("keyName", "name"),
		quotes("keyVersion", "version"),
		quotes("vnetName", "net"),
		quotes("subnetName", "subnet"),
	}
}

// containerSample makes a deploymentconfig.json for ACI.
func containerSample(d dice) sample {
	t := object(entry{"computeType", text(pick(d, words("ACI ACI aci Aci")))})
	fields := containerFields()
	for _, f := range fields[:10] {
		if d.chance(30) {
			t.set(f.path, pick(d, f.right))
		}
	}
	addGroups(d, t, fields)
	s := sample{question: "deployment", tree: t, style: style(d.IntN(int(styles)))}
	switch {
	case d.chance(40):
	case d.chance(20):
		t.set(pick(d, words("sslCertificate sslKey")), text(pick(d, words("missing.pem ./cert.pem folder.py"))))
	case d.chance(10):
		t.set(pick(d, deploymentFields()).path, wrong(d))
	default:
		spoil(d, &s, fields)
	}
	return s
}

// addGroups adds the fields that belong together: mostly all of them or none.
func addGroups(d dice, t *tree, fields []field) {
	for _, group := range [][]field{fields[12:15], fields[15:17]} {
		if !d.chance(25) {
			continue
		}
		for _, f := range group {
			if d.chance(90) {
				t.set(f.path, f.right[0])
			}
		}
	}
	if !d.chance(30) {
		return
	}
	t.set("sslEnabled", plain("true"))
	for _, f := range fields[9:12] {
		if d.chance(85) {
			t.set(f.path, f.right[0])
		}
	}
}

// localSample makes a deploymentconfig.json for LOCAL.
func localSample(d dice) sample {
	t := object(entry{"computeType", text(pick(d, words("LOCAL local Local")))})
	if d.chance(70) {
		t.set("port", plain(pick(d, words("1 6789 65535 0 null 8080"))))
	}
	s := sample{question: "deployment", tree: t, style: style(d.IntN(int(styles)))}
	switch {
	case d.chance(40):
	case d.chance(50):
		t.set("port", pick(d, []*tree{plain("-1"), plain("65536"), plain("80.5"), plain("80.0"), text("80"), plain("true"),
			text(""), list(), plain("0x50"), plain("false"), plain("1:30")}))
	case d.chance(20):
		t.set(pick(d, deploymentFields()).path, wrong(d))
	default:
		spoil(d, &s, []field{plains("port", "80")})
	}
	return s
}
