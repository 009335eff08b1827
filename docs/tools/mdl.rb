# SPDX-License-Identifier: GPL-2.0
#
# How the pages are written: the rules of mdl, but for these.

all
rule 'MD029', :style => 'ordered'
rule 'MD010', :ignore_code_blocks => true # code has tabs
rule 'MD024', :allow_different_nesting => true # two files of a stage define functions of the same name
rule 'MD026', :punctuation => '.,;:!' # a heading may be a question
exclude_rule 'MD013' # a table's row is as long as it is, and so is an address
exclude_rule 'MD014' # what a command prints may be nothing
exclude_rule 'MD033' # the build lets nothing pass but addresses of headings
exclude_rule 'MD036' # a picture's caption
exclude_rule 'MD046' # fenced: checked or made at build time; indented: shown as it stands
