import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { type Authenticator, type ConnectionOptions, credsAuthenticator, nkeyAuthenticator } from "nats";
import type { Clock } from "../common/clock.ts";
import { ScalerError } from "../common/error.ts";
import { TlsCredentials } from "../common/tls-credentials.ts";
import { parseNatsUrl } from "./nats-url.ts";

/** Files that say who we are at NATS and whom we believe there. */
export interface NatsFiles {
	/** A credentials file of nsc: a user's JWT and its seed. */
	readonly creds?: string | undefined;
	/** An nkey seed of a user ("SU..."). */
	readonly nkey?: string | undefined;
	/** PEM. With any of these three the connection is in TLS, or fails. */
	readonly tlsCa?: string | undefined;
	readonly tlsCert?: string | undefined;
	readonly tlsKey?: string | undefined;
}

/** Where NATS is and how to get in. */
export class NatsAccess {
	/** `host:port`, one or more. */
	readonly servers: readonly string[];
	readonly #tls: boolean;
	readonly #credentials: ReturnType<typeof parseNatsUrl>["credentials"];
	readonly #files: NatsFiles;
	readonly #clock: Clock;

	/** Throws CONFIG_INVALID for a URL that is none and for files that are wrong; never with a secret. */
	constructor(url: string, files: NatsFiles, clock: Clock) {
		const { servers, tls, credentials } = parseNatsUrl(url);
		const ways = [
			credentials && "the URL",
			files.creds && "a credentials file",
			files.nkey && "an nkey seed",
		];
		const given = ways.filter((way) => way !== undefined);
		if (given.length > 1) throw invalid(`one of ${given.join(" and ")} must say who we are`);
		if ((files.tlsCert === undefined) !== (files.tlsKey === undefined))
			throw invalid("a client certificate and its key go together");
		this.servers = servers;
		this.#tls = tls || [files.tlsCa, files.tlsCert].some((file) => file !== undefined);
		this.#credentials = credentials;
		this.#files = files;
		this.#clock = clock;
		this.#read();
	}

	/** What the nats client has to know to connect to `server` now; reads the files. Throws CONFIG_INVALID. */
	optionsFor(server: string): ConnectionOptions {
		const { authenticator, pem } = this.#read();
		const host = server.slice(0, server.lastIndexOf(":")).replace(/^\[|\]$/g, "");
		// The client knows no name to hold the certificate against, as it does not resolve it: it would take "localhost".
		const tls = { ...pem, host, servername: isIP(host) ? "" : host };
		return {
			servers: [server],
			...this.#credentials,
			...(authenticator && { authenticator }),
			...(this.#tls && { tls }),
		};
	}

	#read() {
		const { creds, nkey, tlsCa: ca, tlsCert: cert, tlsKey: key } = this.#files;
		const tls = new TlsCredentials({ ca, cert, key }, { clock: this.#clock, onReload: () => {} });
		tls.close();
		return { authenticator: authenticatorOf(creds, nkey), pem: pemOf(tls) };
	}
}

function pemOf({ options }: TlsCredentials) {
	const text = (value: unknown) => (typeof value === "string" ? value : undefined);
	const [ca, cert, key] = [text(options.ca), text(options.cert), text(options.key)];
	return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
}

function authenticatorOf(creds: string | undefined, nkey: string | undefined): Authenticator | undefined {
	if (creds !== undefined)
		return tried(credsAuthenticator(Buffer.from(read(creds))), `${creds} is no NATS credentials file`);
	if (nkey === undefined) return undefined;
	// nk and nsc may write comments around the seed.
	const seed = /^\s*(SU[A-Z2-7]+)\s*$/m.exec(read(nkey))?.[1] ?? "";
	return tried(nkeyAuthenticator(Buffer.from(seed)), `${nkey} holds no nkey seed of a user (SU...)`);
}

/** Signs something, as the nats client would not say what is wrong with a seed. */
function tried(authenticator: Authenticator, orElse: string): Authenticator {
	try {
		const signed = authenticator("nonce");
		if (signed && "sig" in signed && signed.sig !== "") return authenticator;
	} catch {
		// Its message may hold the seed.
	}
	throw invalid(orElse);
}

function read(path: string): string {
	try {
		return readFileSync(path, "utf8");
	} catch (cause) {
		throw invalid(ScalerError.from(cause).message, cause);
	}
}

function invalid(why: string, cause?: unknown): ScalerError {
	return new ScalerError("CONFIG_INVALID", `NATS: ${why}`, { cause });
}
