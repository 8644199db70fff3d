/* The files that an index names, found by name: what is in the folder is held against them. */
#ifndef STORE_INDEXED_H
#define STORE_INDEXED_H

#include "index.h"

struct indexed {
	struct index_record r; /* points into the image that it was read from */
	size_t name;           /* where it stands in names */
};

struct indexed_files {
	struct indexed *all; /* owned */
	size_t n, cap;
	struct buf names;
};

/* Add a record that is a file. 0; or -1: out of memory. */
int indexed_add(struct indexed_files *files, const struct index_record *r);
/* Ahead of the first indexed_find, behind the last indexed_add. */
void indexed_sort(struct indexed_files *files);
/* The record of the file with this name, as long as nothing is added, or NULL. */
const struct index_record *indexed_find(const struct indexed_files *files, const char *name);
void indexed_free(struct indexed_files *files);

#endif
