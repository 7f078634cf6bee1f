import { ScalerError } from "../../common/error.ts";
import type { Scale, ScaleApi } from "../../kubernetes/workload.ts";

/** A workload whose scale others may write too. */
export class StoredScale implements ScaleApi {
	replicas: number;
	version = 1;
	fails: ScalerError | undefined;
	readonly calls: string[] = [];
	/** Called after each write. */
	onWrite: (replicas: number) => void = () => {};

	constructor(replicas: number) {
		this.replicas = replicas;
	}

	async read(): Promise<Scale> {
		this.calls.push("read");
		if (this.fails) throw this.fails;
		return this.#scale();
	}

	async patch(_: object, replicas: number, seen: Scale): Promise<Scale> {
		this.calls.push(`patch ${seen.replicas} -> ${replicas}`);
		if (this.fails) throw this.fails;
		if (seen.version !== `${this.version}`) throw new ScalerError("KUBERNETES_CONFLICT", "too late");
		this.write(replicas);
		return this.#scale();
	}

	write(replicas: number): void {
		this.replicas = replicas;
		this.version++;
		this.onWrite(replicas);
	}

	#scale(): Scale {
		return { replicas: this.replicas, existing: this.replicas, version: `${this.version}` };
	}
}
