/** What a short name can mean, from /etc/resolv.conf (resolv.conf(5)). c-ares asks for names as they are. */
export interface SearchRules {
	readonly search: readonly string[];
	/** A name with fewer dots is tried in the search domains first. */
	readonly ndots: number;
}

/** As many as Kubernetes allows (pod spec, dnsConfig). */
const maxSearchDomains = 32;

export function parseResolvConf(text: string): SearchRules {
	let search: readonly string[] = [];
	let ndots = 1;
	for (const line of text.split("\n")) {
		const [keyword, ...words] = line.trim().split(/\s+/);
		// The last one counts.
		if (keyword === "search" || keyword === "domain") search = words.slice(0, maxSearchDomains);
		if (keyword !== "options") continue;
		const given = words
			.map((word) => /^ndots:(\d{1,3})$/.exec(word)?.[1])
			.find((digits) => digits !== undefined);
		if (given !== undefined) ndots = Math.min(Number(given), 15);
	}
	return {
		search: search.map((domain) => domain.replace(/\.$/, "")).filter((domain) => domain !== ""),
		ndots,
	};
}

/** The full names that a name may stand for, in the order in which they are tried. */
export function fullNames(name: string, { search, ndots }: SearchRules): readonly string[] {
	if (name.endsWith(".")) return [name.slice(0, -1)];
	const inDomains = search.map((domain) => `${name}.${domain}`).filter((full) => full.length <= 253);
	const dots = name.split(".").length - 1;
	return dots >= ndots ? [name, ...inDomains] : [...inDomains, name];
}
