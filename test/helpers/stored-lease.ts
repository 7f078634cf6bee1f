import { ScalerError } from "../../common/error.ts";
import { type Lease, type LeaseApi, noLease } from "../../standalone/election/lease.ts";

/** The one object, as the API server keeps it. */
export class StoredLease {
	lease: Lease = noLease;
	#version = 0;

	/** How one replica reaches it; a failure is set by hand. */
	api(): LeaseApi & { fails: ScalerError | undefined; writes: number } {
		const stored = this;
		return {
			fails: undefined,
			writes: 0,
			async read() {
				if (this.fails) throw this.fails;
				return stored.lease;
			},
			async write(lease) {
				if (this.fails) throw this.fails;
				if (lease.version !== stored.lease.version) throw new ScalerError("KUBERNETES_CONFLICT", "too late");
				this.writes++;
				stored.lease = { ...lease, version: `${++stored.#version}` };
			},
		};
	}
}
