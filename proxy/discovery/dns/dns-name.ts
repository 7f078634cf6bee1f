/** A name in DNS that stands for a pool's daemons. */
export type DnsName =
	/** Its addresses (A, AAAA), all with the same port. */
	| { readonly t: "addresses"; readonly name: string; readonly port: number }
	/** Its services (SRV, RFC 2782), each with a host and a port. */
	| { readonly t: "services"; readonly name: string };

const label = /^_?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;

/** `NAME:PORT`, or `_service._proto.NAME` for SRV records; undefined for anything else. */
export function parseDnsName(text: string): DnsName | undefined {
	const [, name = "", digits] = /^([^:]+?)(?::(\d{1,5}))?$/.exec(text) ?? [];
	// The dot at the end says that no search domain is to be tried.
	const labels = name.replace(/\.$/, "").split(".");
	if (name.length > 253 || !labels.every((part) => label.test(part))) return undefined;
	const isService = labels.length > 2 && /^_/.test(labels[0] ?? "") && /^_(tcp|udp)$/i.test(labels[1] ?? "");
	if (isService) return digits === undefined ? { t: "services", name } : undefined;
	// 10.0.0.1 is an address, and not in DNS.
	if (/^\d+$/.test(labels.at(-1) ?? "")) return undefined;
	const port = Number(digits);
	return port >= 1 && port <= 65_535 ? { t: "addresses", name, port } : undefined;
}
