/** Something that clients reach under these server names; none means every name, and clients that say none. */
interface Named {
	readonly serverNames: readonly string[];
}

/** Of several pools behind one address, the one that a client means: by its name, by `*.` of its domain, or the rest. */
export function chooseRoute<R extends Named>(
	routes: readonly R[],
	serverName: string | undefined,
): R | undefined {
	const rest = () => routes.find(({ serverNames }) => serverNames.length === 0);
	if (serverName === undefined) return rest();
	const wildcard = `*${serverName.slice(serverName.indexOf("."))}`;
	const named = (name: string) => routes.find(({ serverNames }) => serverNames.includes(name));
	return named(serverName) ?? (serverName.includes(".") ? named(wildcard) : undefined) ?? rest();
}
