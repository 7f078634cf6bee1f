/** One pool among all namespaces: `namespace/pool`. Both are DNS labels, so two pools never share a key. */
export type PoolKey = `${string}/${string}`;

export function poolKey({ namespace, pool }: { readonly namespace: string; readonly pool: string }): PoolKey {
	return `${namespace}/${pool}`;
}

export function partsOf(key: PoolKey): { namespace: string; pool: string } {
	const [namespace = "", pool = ""] = key.split("/");
	return { namespace, pool };
}
