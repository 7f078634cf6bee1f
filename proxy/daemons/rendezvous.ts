/**
 * Highest random weight hashing (Thaler and Ravishankar 1998): each key ranks all nodes by a hash of both, and takes the
 * best of those that are there. A node that goes takes only its own keys with it, one that comes wins about 1/n of all.
 */
export function weight(key: string, node: string): number {
	// FNV-1a, 32 bits; its low bits hardly depend on the last character, so they are mixed (MurmurHash3's finalizer).
	let hash = 0x811c9dc5;
	for (const byte of Buffer.from(`${key}\0${node}`)) hash = Math.imul(hash ^ byte, 0x01000193);
	hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
	hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
	return (hash ^ (hash >>> 16)) >>> 0;
}
