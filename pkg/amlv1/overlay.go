// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

// Overlay gives c the values of over where over has any; findings about c then
// point at the file and the flags of over. Turning autoscaling on drops a fixed
// number of replicas that over does not give, turning it off drops the range.
//
// Call Validate after it.
func (c *DeploymentConfig) Overlay(over DeploymentConfig) {
	a := over.AutoScaler
	switch {
	case a.AutoscaleEnabled == nil:
	case *a.AutoscaleEnabled:
		c.NumReplicas = nil
	default:
		c.AutoScaler = AutoScaler{}
	}
	rules := deploymentRules()
	for i := range rules {
		if rules[i].into != nil {
			lay(rules[i].into(c), rules[i].into(&over))
		}
	}
	c.source = over.source
}

// lay copies what is at from, unless that is nil or empty.
func lay(to, from any) {
	switch from := from.(type) {
	case **bool:
		layPointer(to, from)
	case **int:
		layPointer(to, from)
	case **float64:
		layPointer(to, from)
	case *string:
		if text, ok := to.(*string); ok && *from != "" {
			*text = *from
		}
	}
}

func layPointer[T any](to any, from **T) {
	if p, ok := to.(**T); ok && *from != nil {
		value := **from
		*p = &value
	}
}
