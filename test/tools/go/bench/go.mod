module tools/bench

go 1.26.0

tool (
	tools/bench/copy-proxy
	tools/bench/echo-load
	tools/bench/relay-load
)
