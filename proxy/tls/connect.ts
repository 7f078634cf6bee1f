import net from "node:net";
import tls from "node:tls";
import type { TlsCredentials } from "../../common/tls-credentials.ts";
import type { DaemonAddress } from "../daemon.ts";
import type { DeadHostLimits } from "../wire/dead-host.ts";
import { TcpWire, tuneSocket } from "../wire/tcp-wire.ts";
import { TlsWire } from "../wire/tls-wire.ts";
import type { Wire } from "../wire/wire.ts";

/** Connects to a daemon. The wire is usable once `onConnect` was called; before, only `attach` and `destroy` are. */
export type Connect = (address: DaemonAddress, onConnect: () => void) => Wire;

export function connectPlain(limits: DeadHostLimits): Connect {
	return (address, onConnect) => TcpWire.connect(address, limits, onConnect);
}

/**
 * With TLS: the daemon's certificate must be signed by the credentials' CA and name `serverName`, or else the host that
 * is connected to. Pods have addresses for hosts, which certificates rarely name.
 */
export function connectTls(
	credentials: TlsCredentials,
	serverName: string | undefined,
	limits: DeadHostLimits,
): Connect {
	return (address, onConnect) => {
		const host = serverName ?? (address.t === "tcp" ? address.host : "localhost");
		const target = address.t === "tcp" ? { host: address.host, port: address.port } : { path: address.path };
		const raw = net.connect({ ...target, allowHalfOpen: true });
		raw.once("connect", () => tuneSocket(raw, limits));
		const socket = tls.connect(
			{
				socket: raw,
				host,
				...(net.isIP(host) === 0 && { servername: host }),
				secureContext: credentials.context,
				// buildkitd offers it from v0.17 on, and does not insist.
				ALPNProtocols: ["h2"],
			},
			onConnect,
		);
		raw.on("error", (error) => socket.destroy(error));
		return new TlsWire(socket);
	};
}
