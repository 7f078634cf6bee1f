import { ScalerError } from "../common/error.ts";

/** Where NATS is and who we are there, taken apart so that no later message can hold a credential. */
export interface NatsAddress {
	/** `host:port`, one or more. */
	readonly servers: readonly string[];
	readonly tls: boolean;
	readonly credentials:
		| { readonly user: string; readonly pass: string }
		| { readonly token: string }
		| undefined;
}

const defaultPort = "4222";

/**
 * Reads `nats://[user:password@|token@]host[:port]`, or several separated by commas (then the first credentials count
 * for all, as the nats client knows one set). `tls://` asks for TLS. Throws CONFIG_INVALID, without the credentials.
 */
export function parseNatsUrl(text: string): NatsAddress {
	const urls = text.split(",").map((part) => parseOne(part.trim()));
	const withUser = urls.find((url) => url.username !== "");
	return {
		servers: urls.map((url) => `${url.hostname}:${url.port === "" ? defaultPort : url.port}`),
		tls: urls.some((url) => url.protocol === "tls:"),
		credentials: withUser && credentialsOf(withUser),
	};
}

function credentialsOf(url: URL): NatsAddress["credentials"] {
	const user = decodeURIComponent(url.username);
	return url.password === "" ? { token: user } : { user, pass: decodeURIComponent(url.password) };
}

function parseOne(text: string): URL {
	const withScheme = text.includes("://") ? text : `nats://${text}`;
	const url = URL.canParse(withScheme) ? new URL(withScheme) : undefined;
	if (url === undefined || url.hostname === "" || (url.protocol !== "nats:" && url.protocol !== "tls:"))
		throw new ScalerError("CONFIG_INVALID", "the NATS URL must be like nats://host:4222 or tls://host:4222");
	try {
		credentialsOf(url);
	} catch {
		throw new ScalerError(
			"CONFIG_INVALID",
			"the NATS URL has a credential with a stray '%': write it as %25",
		);
	}
	return url;
}
