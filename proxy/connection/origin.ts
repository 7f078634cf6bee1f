import type { Socket } from "node:net";
import type { CloseReason } from "../../events/schema.ts";

/** Why a client gets nothing here; its first request is answered with it. */
export interface Refusal {
	readonly reason: CloseReason;
	readonly message: string;
}

/** What the client's bytes are once they reach a connection: HTTP/2, or TLS that only the daemon can read. */
export type Protocol = "h2" | "tls";

/** Where a client comes from and who it is, as far as that is known before its first request. */
export interface Origin {
	/** The client's IP address; "?" when it was gone before it could be asked. */
	readonly address: string;
	readonly port: number;
	/** The address it connected to, as configured: HOST:PORT. */
	readonly listener: string;
	/** The server name of its TLS hello (SNI, RFC 6066, 3); undefined without TLS, or when it named none. */
	readonly serverName: string | undefined;
	/** The name in its verified client certificate; undefined when it showed none. */
	readonly identity: string | undefined;
	readonly refusal: Refusal | undefined;
}

/** A client that never became anybody's. */
export interface TurnedAway {
	readonly client: string;
	readonly reason: CloseReason;
	readonly why: string;
}

/** Of a client that shows no certificate, or none yet. */
export function originOf(
	{ remoteAddress = "?", remotePort = 0 }: Socket,
	listener: string,
	serverName: string | undefined,
): Origin {
	return {
		address: remoteAddress,
		port: remotePort,
		listener,
		serverName,
		identity: undefined,
		refusal: undefined,
	};
}
