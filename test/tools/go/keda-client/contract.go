package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/bufbuild/protocompile"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// contract is the service of a .proto file, read when the program starts: no generated code, and any version of it.
type contract struct {
	service protoreflect.ServiceDescriptor
}

func loadContract(path string) (*contract, error) {
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{}}
	files, err := compiler.Compile(context.Background(), path)
	if err != nil {
		return nil, err
	}
	return &contract{files[0].Services().ByName("ExternalScaler")}, nil
}

// answer is a message as JSON (with protobuf's rules: an int64 is a string) and as it came over the wire.
type answer struct {
	json json.RawMessage
	raw  []byte
}

func asAnswer(message proto.Message) (*answer, error) {
	text, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(message)
	if err != nil {
		return nil, err
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	return &answer{text, raw}, err
}

// codec is grpc-go's own, with fields in order: dynamic messages have none otherwise.
type codec struct{}

func (codec) Name() string { return "proto" }

func (codec) Marshal(message any) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.Marshal(message.(proto.Message))
}

func (codec) Unmarshal(data []byte, message any) error {
	return proto.Unmarshal(data, message.(proto.Message))
}

func (c *contract) message(request json.RawMessage, raw []byte, kind protoreflect.MessageDescriptor) (proto.Message, error) {
	message := dynamicpb.NewMessage(kind)
	if raw != nil {
		return message, proto.Unmarshal(raw, message)
	}
	return message, protojson.Unmarshal(request, message)
}

func (c *contract) path(method string) string {
	return "/" + string(c.service.FullName()) + "/" + method
}

func (c *client) call(ctx context.Context, conn *grpc.ClientConn, method string, request json.RawMessage, raw []byte) (*answer, error) {
	descriptor := c.contract.service.Methods().ByName(protoreflect.Name(method))
	in, err := c.contract.message(request, raw, descriptor.Input())
	if err != nil {
		return nil, err
	}
	out := dynamicpb.NewMessage(descriptor.Output())
	if err := conn.Invoke(ctx, c.contract.path(method), in, out); err != nil {
		return nil, err
	}
	return asAnswer(out)
}

type openStream struct {
	grpc.ClientStream
	output protoreflect.MessageDescriptor
}

func (c *client) open(ctx context.Context, conn *grpc.ClientConn, method string, request json.RawMessage) (*openStream, error) {
	descriptor := c.contract.service.Methods().ByName(protoreflect.Name(method))
	in, err := c.contract.message(request, nil, descriptor.Input())
	if err != nil {
		return nil, err
	}
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, c.contract.path(method))
	if err != nil {
		return nil, err
	}
	if err := stream.SendMsg(in); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return &openStream{stream, descriptor.Output()}, stream.CloseSend()
}

// read reports each message of a stream and its end.
func (c *client) read(id int, stream *openStream) {
	for {
		message := dynamicpb.NewMessage(stream.output)
		if err := stream.RecvMsg(message); err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			c.ended(id, nil, err)
			return
		}
		answer, err := asAnswer(message)
		if err != nil {
			panic(err)
		}
		c.send(event{Id: id, T: "message", Message: answer.json, Raw: answer.raw})
	}
}
