/** A coordination.k8s.io Lease, as far as an election needs it. */
export interface Lease {
	/** Undefined: nobody holds it. */
	readonly holder: string | undefined;
	/** How long its holder may be silent, as the holder has it. */
	readonly durationMs: number;
	readonly acquireTime: Date | undefined;
	/** By the holder's clock: for people, and to see that it was renewed. Nobody compares it with a clock of theirs. */
	readonly renewTime: Date | undefined;
	/** How often it has changed hands. */
	readonly transitions: number;
	/** Every replica there is, not only who holds it. */
	readonly members: Members;
	/** resourceVersion, to write only what was read; undefined: there is no such object yet. */
	readonly version: string | undefined;
}

/** By id. */
export type Members = Readonly<Record<string, Member>>;

export interface Member {
	/** Larger for each start of the same id: ms since 1970. As in its snapshots. */
	readonly incarnation: number;
	/** HOST:PORT where the others can read what it says. */
	readonly admin: string | undefined;
}

export const noLease: Lease = {
	holder: undefined,
	durationMs: 0,
	acquireTime: undefined,
	renewTime: undefined,
	transitions: 0,
	members: {},
	version: undefined,
};

/** Both reject with KUBERNETES_FORBIDDEN or KUBERNETES_FAILED, and end with the signal. */
export interface LeaseApi {
	/** `noLease` where there is none. */
	read(signal: AbortSignal): Promise<Lease>;
	/** Makes the object, or replaces the one of this version. Rejects also with KUBERNETES_CONFLICT. */
	write(lease: Lease, signal: AbortSignal): Promise<void>;
}
