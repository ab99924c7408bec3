// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package acr

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
)

// dockerfile is the name of the only file of a context.
const dockerfile = "Dockerfile"

// source is a context that has text as its Dockerfile. It is the same bytes for
// the same text.
func source(text string) ([]byte, error) {
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	files := tar.NewWriter(zip)
	// Errors stay in files until its Close.
	_ = files.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: dockerfile, Mode: 0o644, Size: int64(len(text))})
	_, _ = files.Write([]byte(text))
	if err := files.Close(); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// storage reads and writes blobs by addresses that are signed: whoever has one may
// use it, so that they are in no message, and no token goes to them.
type storage struct{ pipeline runtime.Pipeline }

func newStorage(transport policy.Transporter, retry policy.RetryOptions) (storage, error) {
	client, err := azcore.NewClient("aml", "v1.0.0", runtime.PipelineOptions{}, &policy.ClientOptions{
		Transport: transport, Retry: retry, Telemetry: policy.TelemetryOptions{ApplicationID: "kubectl-aml"},
	})
	if err != nil {
		return storage{}, err
	}
	return storage{client.Pipeline()}, nil
}

// put writes a block blob: https://learn.microsoft.com/rest/api/storageservices/put-blob
func (s storage) put(ctx context.Context, where string, content []byte) error {
	request, err := s.request(ctx, http.MethodPut, where)
	if err != nil {
		return err
	}
	request.Raw().Header.Set("x-ms-blob-type", "BlockBlob")
	if err := request.SetBody(streaming.NopCloser(bytes.NewReader(content)), "application/gzip"); err != nil {
		return err
	}
	response, err := s.pipeline.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if !runtime.HasStatusCode(response, http.StatusCreated) {
		return fmt.Errorf("its storage answered %d %s", response.StatusCode, response.Header.Get("x-ms-error-code"))
	}
	return nil
}

// get reads a blob from offset on. The body is the caller's to close.
func (s storage) get(ctx context.Context, where string, offset int64) (*http.Response, error) {
	request, err := s.request(ctx, http.MethodGet, where)
	if err != nil {
		return nil, err
	}
	request.Raw().Header.Set("x-ms-range", fmt.Sprintf("bytes=%d-", offset))
	runtime.SkipBodyDownload(request)
	return s.pipeline.Do(request)
}

func (s storage) request(ctx context.Context, method, where string) (*policy.Request, error) {
	at, err := url.Parse(where)
	if err != nil || at.Scheme != "https" {
		return nil, errors.New("the address of its storage is none with https")
	}
	return runtime.NewRequest(ctx, method, where)
}
