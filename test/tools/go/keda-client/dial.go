package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// PEM files, as a TriggerAuthentication carries them.
type tlsFiles struct {
	Ca         string `json:"ca"`
	Cert       string `json:"cert"`
	Key        string `json:"key"`
	ServerName string `json:"serverName"`
	MaxVersion string `json:"maxVersion"`
}

// dial has the options of KEDA's own (external_scaler.go, getClientForConnectionPool), and pings only for a test.
func dial(cmd command) (*grpc.ClientConn, error) {
	creds := insecure.NewCredentials()
	if cmd.Tls != nil {
		config, err := cmd.Tls.config()
		if err != nil {
			return nil, err
		}
		creds = credentials.NewTLS(config)
	}
	options := []grpc.DialOption{
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`),
		grpc.WithTransportCredentials(creds),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(codec{})),
	}
	if cmd.PingMs > 0 {
		options = append(options, grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time:                time.Duration(cmd.PingMs) * time.Millisecond,
			PermitWithoutStream: true,
		}))
	}
	return grpc.NewClient(cmd.Address, options...)
}

func (f *tlsFiles) config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool(), ServerName: f.ServerName}
	if f.MaxVersion == "1.2" {
		config.MaxVersion = tls.VersionTLS12
	}
	ca, err := os.ReadFile(f.Ca)
	if err != nil {
		return nil, err
	}
	if !config.RootCAs.AppendCertsFromPEM(ca) {
		return nil, errors.New("no certificate in " + f.Ca)
	}
	if f.Cert != "" {
		cert, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{cert}
	}
	return config, nil
}

// codeName is the code as the gRPC specification writes it: INVALID_ARGUMENT, not InvalidArgument.
func codeName(code codes.Code) string {
	if code == codes.OK {
		return "OK"
	}
	if code == codes.Canceled {
		return "CANCELLED"
	}
	var name strings.Builder
	for i, letter := range code.String() {
		if i > 0 && letter >= 'A' && letter <= 'Z' {
			name.WriteByte('_')
		}
		name.WriteRune(letter)
	}
	return strings.ToUpper(name.String())
}
