import type { PeerCertificate } from "node:tls";

/** Who a verified client certificate names, each as `cn:NAME`, `dns:NAME` or `uri:URI`. */
export type ClientNames = readonly string[];

/** As in "DNS:client, URI:spiffe://...": Node quotes what holds a comma or a quote, and those we leave out. */
const alternativeName = /^(DNS|URI):([^"]+)$/;

/** The names in a certificate: its subject alternative names, then its common name. */
export function namesOf({ subject, subjectaltname = "" }: PeerCertificate): ClientNames {
	const names: string[] = [];
	for (const entry of subjectaltname.split(", ")) {
		const [, kind, name] = alternativeName.exec(entry) ?? [];
		if (kind !== undefined) names.push(`${kind.toLowerCase()}:${name}`);
	}
	// A certificate may have several or none, whatever its type says.
	const commonNames: unknown = subject?.CN;
	for (const name of Array.isArray(commonNames) ? commonNames : [commonNames]) {
		if (typeof name === "string" && name !== "") names.push(`cn:${name}`);
	}
	return names;
}

/** The one name that stands for a client in queues and logs: a SPIFFE id, else the common name, else any. */
export function identityOf(names: ClientNames): string | undefined {
	const name =
		names.find((candidate) => candidate.startsWith("uri:spiffe://")) ??
		names.find((candidate) => candidate.startsWith("cn:")) ??
		names[0];
	return name?.slice(name.indexOf(":") + 1);
}

/** Whether one of the patterns, which are names in which `*` stands for anything, names this client. */
export function isAllowed(names: ClientNames, patterns: readonly string[]): boolean {
	return patterns.some((pattern) => {
		const parts = pattern.split("*").map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
		const expression = new RegExp(`^${parts.join(".*")}$`, "s");
		return names.some((name) => expression.test(name));
	});
}
