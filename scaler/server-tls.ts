import { ServerCredentials } from "@grpc/grpc-js";
import type { TlsCredentials } from "../common/tls-credentials.ts";

/** A client that opens a connection and is silent must not keep it for Node's two minutes. */
const handshakeTimeout = 10_000;

/**
 * TLS 1.2 and 1.3 with certificates that can be replaced while streams are open: those keep what they began with. A
 * subclass, as grpc-js's own `createSsl` cannot change and its file watcher (experimental) is silent about files that
 * are wrong. Only what its types make public is used.
 */
export class ReloadableServerCredentials extends ServerCredentials {
	readonly #credentials: TlsCredentials;

	/** With a `ca` among its files clients need a certificate. */
	constructor(credentials: TlsCredentials) {
		const { options } = credentials;
		const clientsNeedOne = options.ca !== undefined;
		super({ requestCert: clientsNeedOne, rejectUnauthorized: clientsNeedOne, handshakeTimeout }, options);
		this.#credentials = credentials;
	}

	/** What the credentials have read since is for the connections that come. */
	update(): void {
		this.updateSecureContextOptions(this.#credentials.options);
	}

	_equals(other: ServerCredentials): boolean {
		return other === this;
	}
}
