 
Bsentence_embeddingJ@E³Å;Ë95Î¹¿:»8µW¿í5·4>:ÐžH9-<<ºt·ß;¹a½+8@½ë:Ï¸°ºï²Z¿>?1è.C$D9