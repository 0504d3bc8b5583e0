//go:build !wasip1

package function

// function.FunctionService/Call, as workers of HyperFaaS ask it: one message in, one out, by hand, so that a function
// needs no library.

import (
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
)

const (
	prefixBytes   = 5
	messageMax    = 64 << 20
	statusOk      = 0
	statusUnknown = 2
	statusInvalid = 3
)

var errMessage = errors.New("the message is no CallRequest")

func serveGrpc(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
	request, err := readCall(r.Body)
	if err != nil {
		end(w, statusInvalid, err)
		return
	}
	output, err := answer(r.Context(), request.data)
	if err != nil {
		end(w, statusUnknown, err)
		return
	}
	message := appendCallReply(make([]byte, prefixBytes, prefixBytes+len(output)+64), request, output)
	binary.BigEndian.PutUint32(message[1:], uint32(len(message)-prefixBytes))
	_, _ = w.Write(message)
	end(w, statusOk, nil)
}

func end(w http.ResponseWriter, status int, err error) {
	w.WriteHeader(http.StatusOK)
	w.Header().Set("Grpc-Status", strconv.Itoa(status))
	if err != nil {
		w.Header().Set("Grpc-Message", url.PathEscape(err.Error()))
	}
}

type callRequest struct {
	id   uint64
	data []byte
}

func readCall(body io.Reader) (callRequest, error) {
	var request callRequest
	prefix := make([]byte, prefixBytes)
	if _, err := io.ReadFull(body, prefix); err != nil {
		return request, errMessage
	}
	size := binary.BigEndian.Uint32(prefix[1:])
	if prefix[0] != 0 || size > messageMax {
		return request, errMessage
	}
	message := make([]byte, size)
	if _, err := io.ReadFull(body, message); err != nil {
		return request, errMessage
	}
	for len(message) > 0 {
		key, used := binary.Uvarint(message)
		if used <= 0 {
			return request, errMessage
		}
		message = message[used:]
		number, used := binary.Uvarint(message)
		if used <= 0 {
			return request, errMessage
		}
		message = message[used:]
		switch key & 7 {
		case 0:
			if key>>3 == 1 {
				request.id = number
			}
		case 2:
			if number > uint64(len(message)) {
				return request, errMessage
			}
			if key>>3 == 3 {
				request.data = message[:number]
			}
			message = message[number:]
		default:
			return request, errMessage
		}
	}
	return request, nil
}

// CallResponse{request_id = 1, data = 2, instance_id = 4 {id = 1}}
func appendCallReply(to []byte, request callRequest, output []byte) []byte {
	if request.id != 0 {
		to = binary.AppendUvarint(append(to, 1<<3), request.id)
	}
	to = append(binary.AppendUvarint(append(to, 2<<3|2), uint64(len(output))), output...)
	name, _ := os.Hostname()
	name = name[:min(len(name), 64)]
	to = append(to, 4<<3|2, byte(len(name)+2), 1<<3|2, byte(len(name)))
	return append(to, name...)
}
