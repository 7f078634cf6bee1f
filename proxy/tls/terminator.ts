import type net from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { TlsCredentials } from "../../common/tls-credentials.ts";

import type { Origin, Refusal, TurnedAway } from "../connection/origin.ts";
import { type ClientNames, identityOf, isAllowed, namesOf } from "./identity.ts";

/** Whether clients are asked for a certificate, and served without one. */
export const clientAuthModes = ["none", "optional", "required"] as const;
export type ClientAuth = (typeof clientAuthModes)[number];

export interface TerminatorOptions {
	readonly clientAuth: ClientAuth;
	/** Names of clients that may come in (identity.ts); empty: all. */
	readonly allowClients: readonly string[];
	readonly handshakeMs: number;
	/** Handshakes at once. */
	readonly maxHandshakes: number;
}

export interface TerminatorEvents {
	/** The handshake is done. What is wrong with the client's certificate is for the client to read, in its terminal. */
	readonly secured: (socket: TLSSocket, client: Pick<Origin, "identity" | "refusal">) => void;
	readonly turnedAway: (client: TurnedAway) => void;
}

/**
 * Ends TLS for a pool's clients. A wrong client certificate does not break the handshake: TLS could tell the client
 * nothing but an alert, while gRPC tells its user why (proxy/hold/grpc-failure.ts).
 */
export class TlsTerminator {
	readonly #server: Server;
	readonly #credentials: TlsCredentials;
	readonly #options: TerminatorOptions;
	readonly #events: TerminatorEvents;
	#loaded: TlsCredentials["options"];
	#handshakes = 0;

	constructor(credentials: TlsCredentials, options: TerminatorOptions, events: TerminatorEvents) {
		this.#credentials = credentials;
		this.#options = options;
		this.#events = events;
		this.#loaded = credentials.options;
		this.#server = createServer({
			...credentials.options,
			// grpc-go of buildctl v0.19 and later insists on it; buildx offers nothing, and is taken without.
			ALPNProtocols: ["h2"],
			requestCert: options.clientAuth !== "none",
			rejectUnauthorized: false,
			handshakeTimeout: options.handshakeMs,
		});
		this.#server.on("secureConnection", (socket) => this.#secured(socket));
		this.#server.on("tlsClientError", (error, socket) => {
			this.#handshakes--;
			const { remoteAddress = "?", remotePort = 0 } = socket;
			const client = `${remoteAddress}:${remotePort}`;
			events.turnedAway({ client, reason: "tlsFailed", why: error.message });
			// Node does that itself, but not for a handshake that takes too long.
			socket.destroy();
		});
	}

	/** Takes over a socket, with what was read of it put back (`unshift`). */
	accept(socket: net.Socket): void {
		const { remoteAddress = "?", remotePort = 0 } = socket;
		if (this.#handshakes >= this.#options.maxHandshakes) {
			const client = `${remoteAddress}:${remotePort}`;
			this.#events.turnedAway({ client, reason: "tooManyHandshakes", why: "too many TLS handshakes" });
			return void socket.destroy();
		}
		this.#handshakes++;
		if (this.#loaded !== this.#credentials.options) {
			this.#loaded = this.#credentials.options;
			this.#server.setSecureContext(this.#loaded);
		}
		this.#server.emit("connection", socket);
	}

	#secured(socket: TLSSocket): void {
		this.#handshakes--;
		socket.disableRenegotiation();
		const { clientAuth, allowClients } = this.#options;
		if (clientAuth === "none")
			return this.#events.secured(socket, { identity: undefined, refusal: undefined });
		const certificate = socket.getPeerCertificate();
		// An empty object when the client showed none.
		const shown = Object.keys(certificate).length > 0;
		const names = shown && socket.authorized ? namesOf(certificate) : [];
		const refusal = badCertificate(clientAuth, shown, socket) ?? notAllowed(names, allowClients);
		this.#events.secured(socket, { identity: identityOf(names), refusal });
	}
}

function badCertificate(
	clientAuth: ClientAuth,
	shown: boolean,
	{ authorized, authorizationError }: TLSSocket,
): Refusal | undefined {
	const refuse = (why: string): Refusal => ({ reason: "badCertificate", message: `buildkit-scaler: ${why}` });
	if (!shown && clientAuth === "required") return refuse("a client certificate is needed");
	if (!shown || authorized) return undefined;
	return refuse(`the client certificate is not accepted: ${whyRefused(String(authorizationError))}`);
}

function notAllowed(names: ClientNames, allowClients: readonly string[]): Refusal | undefined {
	if (allowClients.length === 0 || isAllowed(names, allowClients)) return undefined;
	const who = names.length === 0 ? "a client without a certificate" : names.join(", ");
	return { reason: "notAllowed", message: `buildkit-scaler: ${who} may not use this pool` };
}

/** Of OpenSSL's X509_V_ERR codes, as Node names them. */
function whyRefused(code: string): string {
	switch (code) {
		case "CERT_HAS_EXPIRED":
			return "it has expired";
		case "CERT_NOT_YET_VALID":
			return "it is not valid yet";
		case "CERT_SIGNATURE_FAILURE":
		case "DEPTH_ZERO_SELF_SIGNED_CERT":
		case "SELF_SIGNED_CERT_IN_CHAIN":
		case "UNABLE_TO_GET_ISSUER_CERT":
		case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
		case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
			return "it is not signed by this pool's client CA";
		default:
			return code;
	}
}
