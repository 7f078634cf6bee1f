import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext, type SecureContext, type SecureContextOptions } from "node:tls";
import type { Clock, Timer } from "./clock.ts";
import { ScalerError } from "./error.ts";

/** Files are read again after this, which sees a Kubernetes secret's symlink swap as well as any other change. */
const reloadMs = 5_000;

/** PEM files. A certificate has a key and the other way round; `ca` is who the other side's must be signed by. */
export interface TlsFiles {
	readonly cert?: string | undefined;
	readonly key?: string | undefined;
	readonly ca?: string | undefined;
}

export interface TlsCredentialsDeps {
	readonly clock: Clock;
	/** The files are new, or are wrong: then what was read before stays in use. Not told twice of the same. */
	readonly onReload: (error: ScalerError | undefined) => void;
}

/** Keys and certificates from files, read again when these change. Connections keep what they began with. */
export class TlsCredentials {
	readonly #files: TlsFiles;
	readonly #deps: TlsCredentialsDeps;
	#loaded: Loaded;
	#lastError: string | undefined;
	#timer: Timer;

	/** Throws CONFIG_INVALID, naming the file and what is wrong with it. */
	constructor(files: TlsFiles, deps: TlsCredentialsDeps) {
		this.#files = files;
		this.#deps = deps;
		this.#loaded = load(files);
		this.#timer = this.#later();
	}

	/** For connects. */
	get context(): SecureContext {
		return this.#loaded.context;
	}

	/** For servers; another object after each reload. */
	get options(): SecureContextOptions {
		return this.#loaded.options;
	}

	/** When our own certificate ends, in ms since 1970; undefined without one. */
	get expiresAt(): number | undefined {
		return this.#loaded.expiresAt;
	}

	/** Looks at the files now. */
	reload(): void {
		try {
			const loaded = load(this.#files);
			this.#lastError = undefined;
			if (loaded.text === this.#loaded.text) return;
			this.#loaded = loaded;
			this.#deps.onReload(undefined);
		} catch (thrown) {
			const error = ScalerError.from(thrown);
			if (error.message === this.#lastError) return;
			this.#lastError = error.message;
			this.#deps.onReload(error);
		}
	}

	close(): void {
		this.#timer.cancel();
	}

	#later(): Timer {
		return this.#deps.clock.after(reloadMs, () => {
			this.#timer = this.#later();
			this.reload();
		});
	}
}

interface Loaded {
	/** All that was read, to see a change by. */
	readonly text: string;
	readonly options: SecureContextOptions;
	readonly context: SecureContext;
	readonly expiresAt: number | undefined;
}

function load(files: TlsFiles): Loaded {
	const cert = read(files.cert);
	const key = read(files.key);
	const ca = read(files.ca);
	const certificate = cert === undefined ? undefined : certificateIn(cert, files.cert);
	if (ca !== undefined) certificateIn(ca, files.ca);
	// Node takes an empty key for none, and finds out at the first handshake.
	if (key !== undefined && certificate?.checkPrivateKey(privateKeyIn(key, files.key)) !== true) {
		throw invalid(`${files.cert} and ${files.key} do not fit together`);
	}
	// Absent, not undefined: exactOptionalPropertyTypes.
	const pem = {
		...(cert !== undefined && { cert }),
		...(key !== undefined && { key }),
		...(ca !== undefined && { ca }),
	};
	const options: SecureContextOptions = { ...pem, minVersion: "TLSv1.2" };
	const expiresAt = certificate === undefined ? undefined : Date.parse(certificate.validTo);
	return { text: JSON.stringify(pem), options, context: createSecureContext(options), expiresAt };
}

function read(path: string | undefined): string | undefined {
	if (path === undefined) return undefined;
	try {
		return readFileSync(path, "utf8");
	} catch (cause) {
		throw invalid(ScalerError.from(cause).message, cause);
	}
}

function certificateIn(pem: string, path: string | undefined): X509Certificate {
	try {
		return new X509Certificate(pem);
	} catch (cause) {
		throw invalid(`${path} holds no certificate in PEM`, cause);
	}
}

function privateKeyIn(pem: string, path: string | undefined): KeyObject {
	try {
		return createPrivateKey(pem);
	} catch (cause) {
		throw invalid(`${path} holds no private key in PEM`, cause);
	}
}

/** Never with the files' content, which may be a key. */
function invalid(why: string, cause?: unknown): ScalerError {
	return new ScalerError("CONFIG_INVALID", `TLS: ${why}`, { cause });
}
