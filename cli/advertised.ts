import type { HostPort } from "./option.ts";

/** Undefined for every interface, which is no place to go to, and for a port that is still to be chosen. */
export function advertised({ host, port }: HostPort): string | undefined {
	if (host === "::" || host === "0.0.0.0" || port === 0) return undefined;
	return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
