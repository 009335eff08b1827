# SPDX-License-Identifier: GPL-2.0
#
# How the pages are written: the rules of mdl, and where ours are other ones.

all
rule 'MD013', :line_length => 125, :ignore_code_blocks => true, :tables => false
rule 'MD029', :style => 'ordered'
exclude_rule 'MD024' # two files of a stage define functions of the same name
exclude_rule 'MD026' # a heading may be a question
exclude_rule 'MD046' # fenced: checked or made at build time; indented: shown as it stands
