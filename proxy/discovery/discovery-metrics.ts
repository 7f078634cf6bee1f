import { Gauge, type Registry } from "prom-client";

interface PoolLabels {
	readonly namespace: string;
	readonly pool: string;
}

/** Tells when the API server, or DNS, is away: the lists of daemons then age, while everything else goes on. */
export class DiscoveryAges {
	readonly #watched = new Set<{ readonly labels: PoolLabels; readonly source: { readonly ageMs: number } }>();

	constructor(registry: Registry) {
		const watched = this.#watched;
		new Gauge({
			name: "buildkit_proxy_discovery_age_seconds",
			help: "Since the list of daemons was last known to be true; below 30 while all is well",
			labelNames: ["namespace", "pool"],
			registers: [registry],
			collect() {
				// Pools and their sources come and go.
				this.reset();
				for (const { labels, source } of watched) this.set({ ...labels }, source.ageMs / 1000);
			},
		});
	}

	/** Returns the function that forgets it. */
	watch(labels: PoolLabels, source: { readonly ageMs: number }): () => void {
		const entry = { labels, source };
		this.#watched.add(entry);
		return () => this.#watched.delete(entry);
	}
}
