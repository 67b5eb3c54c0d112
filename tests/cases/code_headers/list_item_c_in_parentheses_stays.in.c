/* Orders of loading:
 * (a) crates
 * (b) barrels
 * (c) The rest
 */
int load;
