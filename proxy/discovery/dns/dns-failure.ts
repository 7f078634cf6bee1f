/** One line for the operator: why DNS gave no usable answer. Node's codes for c-ares: dns.html#error-codes. */
export function describeDnsFailure(thrown: unknown, name: string): string {
	const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : undefined;
	switch (code) {
		case "ESERVFAIL":
			return `the DNS server failed to answer for ${name} (SERVFAIL)`;
		case "EREFUSED":
			return `the DNS server refuses to answer for ${name} (REFUSED)`;
		case "ETIMEOUT":
		case "ECANCELLED":
			return `the DNS server was silent for too long, asked for ${name}`;
		case "ECONNREFUSED":
			return `no DNS server can be reached, to ask for ${name}`;
		default: {
			const why = thrown instanceof Error ? thrown.message : String(thrown);
			return `no usable answer from DNS for ${name}: ${why.slice(0, 200)}`;
		}
	}
}
