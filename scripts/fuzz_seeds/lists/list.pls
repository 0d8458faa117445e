[playlist]
File1=one.wav
Title1=Rain
Length1=1
File2=a/two.wav
NumberOfEntries=2
Version=2
