//go:build never

package build

import (
	_ "github.com/Azure/azure-sdk-for-go/sdk/containers/azcontainerregistry"
	_ "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerregistry/armcontainerregistry"
	_ "github.com/CycloneDX/cyclonedx-go"
	_ "github.com/moby/buildkit/client"
	_ "github.com/moby/buildkit/frontend/dockerfile/instructions"
	_ "github.com/moby/buildkit/frontend/dockerfile/parser"
	_ "github.com/moby/buildkit/session"
	_ "github.com/moby/buildkit/session/auth/authprovider"
	_ "github.com/moby/buildkit/session/secrets/secretsprovider"
	_ "github.com/moby/buildkit/util/progress/progressui"
	_ "github.com/moby/moby/client"
	_ "oras.land/oras-go/v2"
)
