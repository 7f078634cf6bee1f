// Package opening is how the ends of a measured connection begin: with the HTTP/2 frames of a build, which the proxy
// wants to see, and then with one that says that all that follows is raw.
package opening

import "encoding/binary"

const (
	frameHeaderBytes = 9
	settingsType     = 4
	ackFlag          = 1
	// HTTP/2 leaves this type to extensions, and a proxy to the ends.
	rawFromHereType = 0xbe
)

var (
	Preface     = []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	Settings    = frame(settingsType, 0, 0, nil)
	SettingsAck = frame(settingsType, ackFlag, 0, nil)
	// MAX_FRAME_SIZE = 16384, as buildkitd says.
	DaemonSettings = frame(settingsType, 0, 0, []byte{0, 5, 0, 0, 0x40, 0})
	FirstRequest   = firstRequest()
)

// RawFromHere is the client's last frame; payload is for the daemon.
func RawFromHere(payload []byte) []byte {
	return frame(rawFromHereType, 0, 0, payload)
}

// AfterRawFromHere finds that frame in what a daemon has received so far: its payload, and what follows it.
func AfterRawFromHere(received []byte) (payload, after []byte, ok bool) {
	frames := received[min(len(received), len(Preface)):]
	for {
		kind, _, payload, after, whole := next(frames)
		if !whole || kind == rawFromHereType {
			return payload, after, whole
		}
		frames = after
	}
}

// Acknowledged tells whether a client has received the daemon's ACK, which is never the proxy's: what it sends from
// then on goes straight through.
func Acknowledged(received []byte) bool {
	for {
		kind, flags, _, after, whole := next(received)
		if !whole || (kind == settingsType && flags&ackFlag != 0) {
			return whole
		}
		received = after
	}
}

func next(frames []byte) (kind, flags byte, payload, after []byte, whole bool) {
	if len(frames) < frameHeaderBytes {
		return 0, 0, nil, nil, false
	}
	end := frameHeaderBytes + int(frames[0])<<16 + int(frames[1])<<8 + int(frames[2])
	if len(frames) < end {
		return 0, 0, nil, nil, false
	}
	return frames[3], frames[4], frames[frameHeaderBytes:end], frames[end:], true
}

func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	length := len(payload)
	header := []byte{byte(length >> 16), byte(length >> 8), byte(length), kind, flags}
	return append(binary.BigEndian.AppendUint32(header, stream), payload...)
}

// A HEADERS frame of a build's first request, in plain letters (RFC 7541, 6.2.2).
func firstRequest() []byte {
	var block []byte
	for _, header := range [][2]string{
		{":method", "POST"},
		{":scheme", "http"},
		{":path", "/moby.buildkit.v1.Control/Solve"},
		{":authority", "bench"},
		{"content-type", "application/grpc"},
		{"te", "trailers"},
	} {
		block = append(block, 0, byte(len(header[0])))
		block = append(block, header[0]...)
		block = append(block, byte(len(header[1])))
		block = append(block, header[1]...)
	}
	const headers, endHeaders = 1, 4
	return frame(headers, endHeaders, 1, block)
}
