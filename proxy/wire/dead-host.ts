import type net from "node:net";
import { fromCLibrary } from "../../common/c-library.ts";
import type { Limits } from "../limits.ts";
import { fileDescriptor } from "./file-descriptor.ts";

/** When a host that acknowledges nothing any more counts as dead. */
export type DeadHostLimits = Pick<
	Limits,
	"keepAliveMs" | "keepAliveIntervalMs" | "keepAliveProbes" | "unackedMs"
>;

/** Whether the kernel is told to end connections with unacknowledged bytes, and if not, why. */
export type UserTimeoutSupport = { readonly ok: true } | { readonly ok: false; readonly reason: string };

type SetUserTimeout = (fd: number, timeoutMs: number) => void;

/**
 * Has the kernel end this connection when its peer is gone without a word: a node that lost its power, a network that
 * broke. A silent connection is probed; one with bytes in flight is not (tcp_keepalive_timer in net/ipv4/tcp_timer.c), so
 * those have a limit of their own. Call it once the socket is connected.
 */
export function endWhenHostDies(socket: net.Socket, limits: DeadHostLimits): void {
	// A Node that does not know the last two yet (before 26.4) probes 10 times, a second apart.
	socket.setKeepAlive(true, limits.keepAliveMs, limits.keepAliveIntervalMs, limits.keepAliveProbes);
	const fd = fileDescriptor(socket);
	if (fd !== undefined) userTimeout().set?.(fd, limits.unackedMs);
}

export function userTimeoutSupport(): UserTimeoutSupport {
	return userTimeout().support;
}

interface UserTimeout {
	readonly support: UserTimeoutSupport;
	readonly set?: SetUserTimeout;
}

let loaded: UserTimeout | undefined;

/** Loaded with the first connection: most programs of this package have none. */
function userTimeout(): UserTimeout {
	loaded ??= load();
	return loaded;
}

/** From linux/tcp.h and netinet/in.h. */
const ipprotoTcp = 6;
const tcpUserTimeout = 18;

function load(): UserTimeout {
	const c = fromCLibrary({
		setsockopt: { arguments: ["i32", "i32", "i32", "pointer", "u32"], return: "i32" },
	});
	if (!c.ok) return { support: c };
	// The one buffer that native code reads; kept here, as V8 does not see that it is used.
	const value = new Uint32Array(1);
	return {
		support: { ok: true },
		set: (fd, timeoutMs) => {
			value[0] = timeoutMs;
			// It fails for a unix socket, whose peer is on this very host, and for a socket that just closed.
			c.functions.setsockopt(fd, ipprotoTcp, tcpUserTimeout, value, value.byteLength);
		},
	};
}
