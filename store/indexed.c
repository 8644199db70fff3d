/* The files that an index names; see indexed.h. */
#include "indexed.h"

#include <stdlib.h>
#include <string.h>

static const char *name_of(const struct indexed_files *files, const struct indexed *k)
{
	return (const char *)files->names.p + k->name;
}

static int by_name(const void *a, const void *b, void *arg)
{
	return strcmp(name_of(arg, a), name_of(arg, b));
}

int indexed_add(struct indexed_files *files, const struct index_record *r)
{
	struct indexed k = {.r = *r, .name = files->names.n};
	char name[NAME_MAX + 1];

	if (files->n == files->cap) {
		size_t cap = files->cap == 0 ? 64 : 2 * files->cap;
		void *p = reallocarray(files->all, cap, sizeof *files->all);
		if (p == NULL) {
			return -1;
		}
		files->all = p;
		files->cap = cap;
	}
	index_name(r, name);
	if (buf_append(&files->names, name, strlen(name) + 1) != 0) {
		return -1;
	}
	files->all[files->n++] = k;
	return 0;
}

void indexed_sort(struct indexed_files *files)
{
	if (files->n > 0) {
		qsort_r(files->all, files->n, sizeof *files->all, by_name, files);
	}
}

const struct index_record *indexed_find(const struct indexed_files *files, const char *name)
{
	size_t from = 0, to = files->n;

	while (from < to) {
		size_t middle = from + (to - from) / 2;
		int d = strcmp(name_of(files, &files->all[middle]), name);
		if (d == 0) {
			return &files->all[middle].r;
		}
		from = d < 0 ? middle + 1 : from;
		to = d < 0 ? to : middle;
	}
	return NULL;
}

void indexed_free(struct indexed_files *files)
{
	free(files->all);
	buf_free(&files->names);
}
